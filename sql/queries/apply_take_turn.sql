-- One apply at a time in this database: its three transactions belong together.
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended('cdc_triggers.turn', 0))
