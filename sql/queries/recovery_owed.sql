-- Rows of the log that may be unsettled, with the triggers that have delivered them. Images of more
-- than `large` bytes come one by one later: so that a batch of rows has a limit in bytes. Attempts are looked up
-- by event, wherever that was committed: the snapshot is behind settled_lsn, so what was settled last is read too.
SELECT l.id::text, d.trigger_ids, coalesce(octet_length(l.old::text), 0) > %(large)s
       OR coalesce(octet_length(l.new::text), 0) > %(large)s AS large,
       l.bucket::text, l.seq::text, l.id::text, l.table_id::text, l.xid::text, l.created_at::text, l.op,
       l.schema_name, l.table_name,
       CASE WHEN octet_length(l.old::text) <= %(large)s THEN l.old::text END,
       CASE WHEN octet_length(l.new::text) <= %(large)s THEN l.new::text END,
       l.session, l.trace, l.trigger_name
  FROM cdc_triggers.event_log l
 CROSS JOIN LATERAL (
       SELECT array_agg(DISTINCT a.trigger_id) AS trigger_ids
         FROM cdc_triggers.attempt a
        WHERE a.outcome = 'delivered' AND a.event_id = l.id) d
 WHERE %(snapshot)s IS NULL OR NOT pg_visible_in_snapshot(l.xid, %(snapshot)s::pg_snapshot);
