-- Where the slot will go on, and whether it can.
SELECT confirmed_flush_lsn::text, plugin, wal_status FROM pg_replication_slots
 WHERE slot_name = %(slot)s AND database = current_database();
