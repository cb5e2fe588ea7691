-- Which redeliveries run: the lines of the audit whose lock is held.
SELECT objid::bigint::int FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND classid = %(class)s::bigint::oid AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
