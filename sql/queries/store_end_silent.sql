-- End the sessions of a holder that has been silent for longer than its lease.
SELECT pg_terminate_backend(pid)
  FROM (SELECT backend_pid AS pid FROM cdc_triggers.stream WHERE slot_name = %(slot)s
         UNION ALL
        SELECT active_pid FROM pg_replication_slots WHERE slot_name = %(slot)s) p
 WHERE pid IN (SELECT a.pid FROM pg_stat_activity a
                WHERE a.usename = current_user AND a.pid <> pg_backend_pid())
   AND EXISTS (SELECT FROM cdc_triggers.stream
                WHERE slot_name = %(slot)s AND generation > 0
                  AND heartbeat_at < clock_timestamp() - make_interval(secs => %(lease_s)s));
