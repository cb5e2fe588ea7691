-- End the sessions of a holder that has been silent for longer than its lease: the one that has the lock,
-- and the one that reads the slot. Whoever has the turn to apply is no stream: uninstall takes that lock too.
SELECT pg_terminate_backend(pid)
  FROM (SELECT l.pid FROM pg_locks l
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND (l.classid::bigint << 32) | l.objid::bigint
               = hashtextextended('cdc_triggers.stream:' || %(slot)s, 0)
         UNION ALL
        SELECT active_pid FROM pg_replication_slots WHERE slot_name = %(slot)s) p
 WHERE pid IN (SELECT a.pid FROM pg_stat_activity a
                WHERE a.usename = current_user AND a.pid <> pg_backend_pid())
   AND NOT EXISTS (SELECT FROM pg_locks t
                    WHERE t.pid = p.pid AND t.locktype = 'advisory' AND t.granted AND t.objsubid = 1
                      AND (t.classid::bigint << 32) | t.objid::bigint = hashtextextended('cdc_triggers.turn', 0))
   AND EXISTS (SELECT FROM cdc_triggers.stream
                WHERE slot_name = %(slot)s
                  AND heartbeat_at NOT BETWEEN clock_timestamp() - make_interval(secs => %(lease_s)s)
                                           AND clock_timestamp() + make_interval(secs => 60 + %(lease_s)s));
