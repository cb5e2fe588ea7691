-- Whose transactions a new slot would have to wait for; those that are prepared belong to no session any more.
SELECT who, (extract(epoch FROM clock_timestamp() - since))::integer
  FROM (SELECT format('pid %s (%s', pid, coalesce(usename, '')) AS who, xact_start AS since
          FROM pg_catalog.pg_stat_activity
         WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
         UNION ALL
        SELECT format('prepared transaction %L (%s', gid, owner), prepared
          FROM pg_catalog.pg_prepared_xacts) open
 ORDER BY since LIMIT 5
