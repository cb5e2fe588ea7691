-- Up to when every stream has settled everything; NULL: one of them nothing yet, or there is none. Those count
-- that have their slot, and the last one: of a name that was mistyped once, or given up, nobody settles any more.
SELECT CASE WHEN count(*) = count(s.settled_at) THEN min(s.settled_at) END
  FROM cdc_triggers.stream s
 WHERE s.generation > 0
   AND (EXISTS (SELECT FROM pg_catalog.pg_replication_slots r
                 WHERE r.slot_name = s.slot_name AND r.database = current_database())
        OR s.heartbeat_at = (SELECT max(heartbeat_at) FROM cdc_triggers.stream WHERE generation > 0))
