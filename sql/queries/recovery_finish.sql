-- Nothing is owed any more but what the new slot brings, from where it was made: if it is elsewhere by now, then
-- somebody else has moved it.
UPDATE cdc_triggers.stream
   SET recovering = false, recoveries = recoveries + 1, heartbeat_at = clock_timestamp(),
       settled_lsn = %(begins)s::pg_lsn, settled_snapshot = %(snapshot)s,
       mark_snapshot = NULL, mark_lsn = NULL,
       published = cdc_triggers.published(),
       timeline = ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
 WHERE slot_name = %(slot)s AND holder = %(holder)s
RETURNING delivered, recoveries, recovered;
