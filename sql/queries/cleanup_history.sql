-- Clean-ups, newest first. One that says it runs, and whose session has not got the lock, has ended in the middle.
SELECT c.id, c.trigger_name AS trigger, c.origin, c.scheduled_at, c.started_at, c.ended_at,
       CASE WHEN c.status = 'running' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_locks k
             WHERE k.locktype = 'advisory' AND k.pid = c.backend_pid AND k.objsubid = 1 AND k.granted
               AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
               AND (k.classid::bigint << 32 | k.objid::bigint) = hashtextextended('cdc_triggers.cleanup', 0))
            THEN 'interrupted' ELSE c.status END AS status,
       c.deleted_events, c.deleted_attempts, c.error
  FROM cdc_triggers.cleanup c
 WHERE (%(trigger)s::text IS NULL OR c.trigger_name = %(trigger)s)
 ORDER BY c.started_at DESC, c.id DESC
 LIMIT %(limit)s
