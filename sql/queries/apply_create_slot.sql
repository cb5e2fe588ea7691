SELECT pg_catalog.pg_create_logical_replication_slot(%(name)s, %(plugin)s)
