-- The replication slot, if it is of this database: every role may read this view. Columns that came after 14
-- are read by name.
SELECT s.slot_name::text AS name, s.plugin::text AS plugin, s.active, s.active_pid,
    s.confirmed_flush_lsn::text AS confirmed_lsn,
    (here.lsn - s.confirmed_flush_lsn)::bigint AS lag_bytes,
    (here.lsn - s.restart_lsn)::bigint AS held_bytes,
    s.wal_status, s.safe_wal_size, to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason
FROM pg_catalog.pg_replication_slots s
CROSS JOIN (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
) here
WHERE s.slot_name = %(slot)s AND s.database = current_database()
