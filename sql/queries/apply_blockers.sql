-- Whose transactions a new slot would have to wait for.
SELECT pid, coalesce(usename, ''), (extract(epoch FROM clock_timestamp() - xact_start))::integer
  FROM pg_catalog.pg_stat_activity
 WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() ORDER BY xact_start LIMIT 5
