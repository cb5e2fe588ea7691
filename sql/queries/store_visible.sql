-- Is this transaction (32-bit id) over for a snapshot taken now? Its commit can be decoded before.
SELECT NOT EXISTS (SELECT FROM pg_snapshot_xip(s.now) x (id)
                    WHERE x.id::text::bigint & 4294967295 = %(xid)s)
       AND ((pg_snapshot_xmax(s.now)::text::bigint - %(xid)s) & 4294967295) BETWEEN 1 AND 2147483647
  FROM (SELECT pg_current_snapshot() AS now) s;
