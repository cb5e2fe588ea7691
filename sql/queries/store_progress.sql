-- Heartbeat, progress and fence in one: no row means that another stream has taken over. A statement's
-- snapshot is older than what it reads of the WAL: all that it sees had committed before mark_lsn.
UPDATE cdc_triggers.stream
   SET heartbeat_at = CASE WHEN heartbeat_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '60 s'
                           THEN heartbeat_at ELSE clock_timestamp() END,  -- it was set ahead for this write
       received_lsn = %(received)s, settled_lsn = %(settled)s, confirmed_lsn = %(confirmed)s,
       oldest_unsettled_at = to_timestamp(%(oldest)s),
       settled_at = coalesce(to_timestamp(%(settled_at)s), settled_at),
       delivered = %(delivered)s,
       system_identifier = %(cluster)s,
       timeline = ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer,
       settled_snapshot = CASE WHEN mark_lsn <= %(settled)s THEN mark_snapshot ELSE settled_snapshot END,
       mark_snapshot = CASE WHEN mark_lsn > %(settled)s THEN mark_snapshot ELSE pg_current_snapshot() END,
       mark_lsn = CASE WHEN mark_lsn > %(settled)s THEN mark_lsn ELSE pg_current_wal_insert_lsn() END
 WHERE slot_name = %(slot)s AND generation = %(generation)s
RETURNING cdc_triggers.attempt_bucket(clock_timestamp()),
       -- as the row was before: how far the clock was set back since, if that is more than a heartbeat is set ahead
       (SELECT heartbeat_at - clock_timestamp() FROM cdc_triggers.stream
         WHERE slot_name = %(slot)s AND heartbeat_at > clock_timestamp() + interval '75 s'),
       published IS NOT DISTINCT FROM cdc_triggers.published();
