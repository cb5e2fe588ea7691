-- What Hasura still owes, by trigger. `locked` is a time, or in old versions true and false.
SELECT trigger_name, count(*),
       count(*) FILTER (WHERE coalesce(locked::text, 'false') <> 'false')
  FROM hdb_catalog.event_log
 WHERE NOT delivered AND NOT error AND NOT archived
 GROUP BY trigger_name ORDER BY trigger_name
