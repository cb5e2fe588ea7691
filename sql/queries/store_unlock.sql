-- Let the slot's lock go.
SELECT pg_advisory_unlock(hashtextextended('cdc_triggers.stream:' || %(slot)s, 0));
