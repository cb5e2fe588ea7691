-- Slot and stream, for metrics. Columns that came after the first schema are read by name.
SELECT l.active, (h.lsn - l.confirmed_flush_lsn)::bigint AS lag, (h.lsn - l.restart_lsn)::bigint AS held,
    l.safe_wal_size AS safe, l.wal_status AS status, s.takeovers,
    coalesce((to_jsonb(s) ->> 'recoveries')::bigint, 0) AS recoveries,
    coalesce((to_jsonb(s) ->> 'recovered')::bigint, 0) AS recovered,
    greatest(0, extract(epoch FROM clock_timestamp() - s.heartbeat_at))::float8 AS heartbeat_age_s
FROM cdc_triggers.stream s
LEFT JOIN pg_catalog.pg_replication_slots l ON l.slot_name = s.slot_name
CROSS JOIN (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
) h
WHERE s.slot_name = %(slot)s
