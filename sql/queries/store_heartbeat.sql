-- Stay the leader while there is nothing to write, or for so much longer while something large is written;
-- no row means that another stream has taken over.
UPDATE cdc_triggers.stream SET heartbeat_at = clock_timestamp() + make_interval(secs => %(ahead_s)s)
 WHERE slot_name = %(slot)s AND generation = %(generation)s
RETURNING generation,
       -- as the row was before: how far the clock was set back since, if that is more than a heartbeat is set ahead
       (SELECT heartbeat_at - clock_timestamp() FROM cdc_triggers.stream
         WHERE slot_name = %(slot)s AND heartbeat_at > clock_timestamp() + interval '75 s');
