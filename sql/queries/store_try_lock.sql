-- The slot's only stream holds this lock for as long as its connection lives.
SELECT pg_try_advisory_lock(hashtextextended('cdc_triggers.stream:' || %(slot)s, 0));
