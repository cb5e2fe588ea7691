-- Which redeliveries run, and of which triggers: the lines of the audit whose lock is held.
SELECT a.id, a.target
FROM pg_catalog.pg_locks l
JOIN cdc_triggers.audit a ON a.id = l.objid::bigint
WHERE l.locktype = 'advisory' AND l.classid = %(class)s::bigint::oid AND l.objsubid = 2 AND l.granted
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
