-- Keep streams from leading these slots until the transaction ends. Which of them have one that leads: it reads
-- the slot in a moment, or makes it anew. NULL: it has just ended.
SELECT n.name,
       (SELECT l.pid FROM pg_catalog.pg_locks l
         WHERE (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('cdc_triggers.stream:' || n.name, 0)
           AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
         LIMIT 1)
  FROM unnest(%(names)s::text[]) n (name)
 WHERE NOT pg_try_advisory_xact_lock(hashtextextended('cdc_triggers.stream:' || n.name, 0))
 ORDER BY n.name
