-- Let the next one in.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('cdc_triggers.turn', 0))
