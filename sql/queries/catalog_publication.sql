SELECT count(*) FROM pg_catalog.pg_publication WHERE pubname = %(name)s
