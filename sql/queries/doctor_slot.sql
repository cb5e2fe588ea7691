-- The slots of these names, as far as the cluster has them. Columns that came after 14 are read by name.
SELECT s.slot_name::text AS name, s.plugin::text AS plugin, s.database::text AS database,
    s.database IS NOT DISTINCT FROM current_database() AS here,
    s.active_pid, s.wal_status,
    (here.lsn - s.restart_lsn)::bigint AS held_bytes,
    (here.lsn - s.confirmed_flush_lsn)::bigint AS lag_bytes,
    s.safe_wal_size AS safe_bytes,
    to_jsonb(s) ->> 'invalidation_reason' AS invalidation
FROM pg_catalog.pg_replication_slots s
CROSS JOIN (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
) here
WHERE s.slot_name = ANY (%(slots)s::name[])
ORDER BY s.slot_name
