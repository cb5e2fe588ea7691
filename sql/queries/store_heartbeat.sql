-- Stay the leader while there is nothing to write, or for so much longer while something large is written;
-- no row means that another stream has taken over.
UPDATE cdc_triggers.stream SET heartbeat_at = clock_timestamp() + make_interval(secs => %(ahead_s)s)
 WHERE slot_name = %(slot)s AND generation = %(generation)s
RETURNING generation;
