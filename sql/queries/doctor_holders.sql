-- Old transactions that write. Of other roles' sessions only pg_read_all_stats shows the times.
SELECT false AS prepared, pid::text AS who,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
FROM pg_catalog.pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    AND clock_timestamp() - xact_start >= make_interval(secs => %(patience_s)s)
UNION ALL
SELECT true, gid, extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_catalog.pg_prepared_xacts
WHERE clock_timestamp() - prepared >= make_interval(secs => %(patience_s)s)
ORDER BY age_s DESC
LIMIT 20
