-- One clean-up at a time: the lock is the session's.
SELECT pg_try_advisory_lock(hashtextextended('cdc_triggers.cleanup', 0))
