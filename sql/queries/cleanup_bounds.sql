-- What no stream can need any more: committed before all slots' restart_lsn, which is on disk, so that no
-- crash takes a slot back behind it; and visible in all settled snapshots, so that no recovery reads it. A
-- stream counts that runs, or has its slot, or was the last one; '0/0' and NULL: it may need everything.
SELECT coalesce(min(CASE WHEN s.recovering THEN '0/0' ELSE coalesce(r.restart_lsn, '0/0') END), '0/0')::text,
       coalesce(array_agg((CASE WHEN NOT s.recovering THEN s.settled_snapshot END)::text), ARRAY[NULL::text])
  FROM cdc_triggers.stream s
  LEFT JOIN pg_catalog.pg_replication_slots r ON r.slot_name = s.slot_name
 WHERE s.generation > 0
   AND (s.holder IS NOT NULL OR r.slot_name IS NOT NULL
        OR s.heartbeat_at = (SELECT max(heartbeat_at) FROM cdc_triggers.stream WHERE generation > 0))
