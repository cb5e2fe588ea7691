-- The next one may begin.
SELECT pg_advisory_unlock(hashtextextended('cdc_triggers.cleanup', 0))
