-- The last leader's lease, if it was not given up: that one may be cut off from here and alive, and sends
-- until the lease is over. A clock that was set back ends it too, else it could last for hours.
SELECT holder IS NOT NULL AND holder <> %(holder)s
       AND heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => %(lease_s)s)
                            AND clock_timestamp() + make_interval(secs => 60 + %(lease_s)s),
       process
  FROM cdc_triggers.stream WHERE slot_name = %(slot)s;
