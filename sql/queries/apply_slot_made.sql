-- Where a new slot begins. If a stream has used one of this name before, what that one still owed must be
-- read from the log.
UPDATE cdc_triggers.stream r
   SET recovering = recovering OR settled_lsn IS NOT NULL,
       recovery_reason = CASE WHEN settled_lsn IS NULL THEN recovery_reason ELSE 'apply made the slot anew' END,
       settled_lsn = coalesce(settled_lsn, s.confirmed_flush_lsn),
       timeline = ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
  FROM pg_catalog.pg_replication_slots s
 WHERE r.slot_name = %(name)s AND s.slot_name = r.slot_name
