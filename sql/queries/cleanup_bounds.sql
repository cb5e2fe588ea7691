-- What no stream can need any more: committed before all slots' restart_lsn, which is on disk, so that no
-- crash takes a slot back behind it; and visible in all settled snapshots, so that no recovery reads it. A
-- stream counts that has its slot, or was the last one, or has not ended and was heard of within the log's
-- retention; '0/0' and NULL: it may need everything.
SELECT coalesce(min(CASE WHEN s.recovering THEN '0/0' ELSE coalesce(r.restart_lsn, '0/0') END), '0/0')::text,
       coalesce(array_agg((CASE WHEN NOT s.recovering THEN s.settled_snapshot END)::text), ARRAY[NULL::text])
  FROM cdc_triggers.stream s
  LEFT JOIN pg_catalog.pg_replication_slots r ON r.slot_name = s.slot_name AND r.database = current_database()
 WHERE s.generation > 0
   AND (r.slot_name IS NOT NULL
        OR s.holder IS NOT NULL AND s.heartbeat_at > clock_timestamp()
           - (SELECT (buckets - 2) * period FROM cdc_triggers.ring WHERE name = 'event_log')
        OR s.heartbeat_at = (SELECT max(heartbeat_at) FROM cdc_triggers.stream WHERE generation > 0))
