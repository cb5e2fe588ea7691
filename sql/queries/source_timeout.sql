-- After how many milliseconds without a word from us the server ends the stream.
SELECT setting::integer FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'
