-- Where the WAL ends, in bytes from its beginning, and when: two of these are a rate.
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
        - '0/0')::bigint AS written, extract(epoch FROM clock_timestamp())::float8 AS at
