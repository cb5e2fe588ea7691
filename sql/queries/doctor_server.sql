-- The server and this session: settings as SHOW has them; those that came after 14 may be absent.
SELECT current_setting('server_version_num')::int AS version,
    current_database()::text AS database,
    pg_backend_pid() AS backend_pid,
    pg_is_in_recovery() AS in_recovery,
    (SELECT count(*)::int FROM pg_catalog.pg_replication_slots) AS slots_used,
    (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'walsender') AS senders_used,
    (
        SELECT jsonb_object_agg(s.name, current_setting(s.name))
        FROM pg_catalog.pg_settings s
        WHERE s.name = ANY (%(settings)s::text[])
    ) AS settings,
    ARRAY(
        SELECT t.trace
        FROM (
            SELECT 'role:' || rolname FROM pg_catalog.pg_roles
            UNION SELECT 'schema:' || nspname FROM pg_catalog.pg_namespace
            UNION SELECT 'function:' || proname FROM pg_catalog.pg_proc
        ) AS t (trace)
        WHERE t.trace = ANY (%(traces)s::text[])
    ) AS traces
