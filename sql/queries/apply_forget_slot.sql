-- The slot was not made after all.
DELETE FROM cdc_triggers.stream
 WHERE slot_name = %(name)s AND generation = 0
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = %(name)s)
