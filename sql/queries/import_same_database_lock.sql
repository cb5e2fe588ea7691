-- A lock that another session of the same database can see: in this transaction only.
SELECT pg_advisory_xact_lock(%(token)s), pg_backend_pid()
