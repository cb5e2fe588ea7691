-- End what is left of a stream that reads the slot, such as one behind a network that went silent; but
-- only for who leads. Others that read the slot stay: they are not ours.
SELECT pg_terminate_backend(a.pid)
  FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
 WHERE s.slot_name = %(slot)s AND a.usename = current_user
   AND a.application_name = 'cdc-triggers stream'
   AND EXISTS (SELECT FROM cdc_triggers.stream
                WHERE slot_name = %(slot)s AND generation = %(generation)s);
