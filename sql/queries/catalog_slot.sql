SELECT slot_name::text, plugin::text, database::text, active, active_pid, to_jsonb(s) ->> 'wal_status'
  FROM pg_catalog.pg_replication_slots s
 WHERE slot_name = ANY (%(names)s::name[])
