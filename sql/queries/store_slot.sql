-- Where the stream will go on, whether it can, and whether it is the slot that this stream left. After a crash of the
-- server the slot has forgotten what was confirmed since PostgreSQL last saved it; the row, which was written before, has not.
SELECT greatest(s.confirmed_flush_lsn, CASE WHEN r.system_identifier = %(cluster)s THEN r.settled_lsn END)::text AS begins,
       s.plugin::text, s.wal_status, to_jsonb(s) ->> 'invalidation_reason',
       s.slot_name IS NULL AS missing,
       s.database = current_database() AS here,
       r.settled_lsn IS NOT NULL AS used,
       r.timeline IS NOT NULL AND s.confirmed_flush_lsn > r.settled_lsn AS moved,
       r.timeline <> ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer AS failed_over,
       -- no stream settles what is not written yet: such a row was written by another cluster's
       coalesce(r.settled_lsn > pg_current_wal_insert_lsn(), false)
       OR coalesce(pg_snapshot_xmax(r.settled_snapshot) > pg_snapshot_xmax(pg_current_snapshot()), false)
       OR EXISTS (SELECT FROM cdc_triggers.trigger_revision v
                   WHERE pg_snapshot_xmax(v.applied_snapshot) > pg_snapshot_xmax(pg_current_snapshot()))
           AS restored,
       cdc_triggers.published() IS NULL AS unpublished, r.published <> cdc_triggers.published() AS published_anew,
       r.recovering, r.recovery_reason
  FROM cdc_triggers.stream r LEFT JOIN pg_replication_slots s USING (slot_name)
 WHERE r.slot_name = %(slot)s;
