-- Stay the leader while there is nothing to write; no row means that another stream has taken over.
UPDATE cdc_triggers.stream SET heartbeat_at = clock_timestamp()
 WHERE slot_name = %(slot)s AND generation = %(generation)s
RETURNING generation;
