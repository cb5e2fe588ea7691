-- Deliveries that were parked before their place in the stream was settled: among the recovered ones
-- they stand in the order of capture too.
UPDATE cdc_triggers.delivery d
   SET commit_lsn = %(settled)s::pg_lsn + (l.seq >> 31)::numeric, position = (l.seq & 2147483647)::integer
  FROM cdc_triggers.event_log l
 WHERE l.id = d.event_id AND d.status = 'parked' AND d.commit_lsn >= %(settled)s::pg_lsn;
