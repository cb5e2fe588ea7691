-- Which of these slots have a stream that leads: it reads the slot in a moment, or makes it anew.
SELECT n.name, l.pid
  FROM unnest(%(names)s::text[]) n (name)
  JOIN pg_catalog.pg_locks l
    ON (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('cdc_triggers.stream:' || n.name, 0)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
 ORDER BY n.name
