-- A chain whose head has no time would wait for ever: give it one. Looked for only where nothing at all has a
-- time. Each step is done before the next: whatever the planner thinks of the table, no row is compared with all.
WITH stuck AS MATERIALIZED (
    SELECT t.id
      FROM cdc_triggers.trigger t
     WHERE (SELECT x.id FROM cdc_triggers.delivery x
             WHERE x.trigger_id = t.id AND x.status = 'parked' AND x.due_at IS NOT NULL LIMIT 1) IS NULL
       AND (SELECT x.id FROM cdc_triggers.delivery x
             WHERE x.trigger_id = t.id AND x.status = 'parked' LIMIT 1) IS NOT NULL
), places AS MATERIALIZED (
    SELECT d.id,
           CASE WHEN c.key IS NULL THEN 1
                ELSE row_number() OVER (PARTITION BY d.trigger_id, c.key ORDER BY d.commit_lsn, d.position)
           END AS place
      FROM stuck s
      JOIN cdc_triggers.delivery d ON d.trigger_id = s.id AND d.status = 'parked'
     CROSS JOIN LATERAL (SELECT d.key UNION ALL SELECT d.old_key WHERE d.old_key IS NOT NULL) AS c (key)
), heads AS MATERIALIZED (
    SELECT id FROM places GROUP BY id HAVING max(place) = 1
)
UPDATE cdc_triggers.delivery d SET due_at = clock_timestamp()
  FROM heads
 WHERE d.id = heads.id;
