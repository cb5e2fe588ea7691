-- Become the holder: the generation grows, and whoever held it before can write nothing any more.
WITH before AS (
    SELECT holder, CASE WHEN heartbeat_at > clock_timestamp() + interval '75 s'
                        THEN heartbeat_at - clock_timestamp() END AS set_back
      FROM cdc_triggers.stream WHERE slot_name = %(slot)s
), taken AS (
    INSERT INTO cdc_triggers.stream AS s
        (slot_name, generation, holder, process, backend_pid, started_at)
    VALUES (%(slot)s, 1, %(holder)s, %(process)s, pg_backend_pid(), clock_timestamp())
    ON CONFLICT (slot_name) DO UPDATE
       SET generation = s.generation + 1, holder = excluded.holder, process = excluded.process,
           backend_pid = excluded.backend_pid, started_at = excluded.started_at,
           heartbeat_at = clock_timestamp(), takeovers = s.takeovers + (s.generation > 0)::integer
    RETURNING generation, delivered, recoveries, recovered
), freed AS (
    UPDATE cdc_triggers.delivery SET claimed_until = NULL, claimed_by = NULL
     WHERE claimed_by = (SELECT holder FROM before)
)
SELECT generation, (SELECT set_back FROM before), delivered, recoveries, recovered FROM taken;
