-- A redelivery is seen to run while its session holds this lock.
SELECT pg_catalog.pg_advisory_lock(%(class)s, %(number)s)
