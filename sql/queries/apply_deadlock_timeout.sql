-- For how many milliseconds who waits for a lock does so before it looks for a deadlock.
SELECT setting::integer FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'
