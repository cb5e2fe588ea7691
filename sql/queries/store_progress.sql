-- Heartbeat, progress and fence in one: no row means that another stream has taken over.
UPDATE cdc_triggers.stream
   SET heartbeat_at = clock_timestamp(),
       received_lsn = %(received)s, settled_lsn = %(settled)s, confirmed_lsn = %(confirmed)s,
       oldest_unsettled_at = to_timestamp(%(oldest)s),
       settled_at = coalesce(to_timestamp(%(settled_at)s), settled_at),
       delivered = %(delivered)s
 WHERE slot_name = %(slot)s AND generation = %(generation)s
RETURNING cdc_triggers.attempt_bucket(clock_timestamp());
