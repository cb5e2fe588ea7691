-- Whose the slots are. The server is asked where it is: what a session connected to may be a pooler's name for it.
SELECT slot_name::text, plugin::text, database::text, current_database()::text, active, active_pid,
       to_jsonb(s) ->> 'wal_status'
  FROM pg_catalog.pg_replication_slots s
 WHERE slot_name = ANY (%(names)s::name[])
