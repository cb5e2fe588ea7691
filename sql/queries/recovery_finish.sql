-- Nothing is owed any more but what the new slot brings.
UPDATE cdc_triggers.stream r
   SET recovering = false, recoveries = recoveries + 1, heartbeat_at = clock_timestamp(),
       settled_lsn = s.confirmed_flush_lsn, settled_snapshot = %(snapshot)s,
       mark_snapshot = NULL, mark_lsn = NULL,
       timeline = ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
  FROM pg_replication_slots s
 WHERE r.slot_name = %(slot)s AND r.holder = %(holder)s AND s.slot_name = r.slot_name
RETURNING r.delivered, r.recoveries, r.recovered;
