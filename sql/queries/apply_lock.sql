-- Two appliers take turns; the lock goes with the transaction.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('cdc_triggers.apply', 0))
