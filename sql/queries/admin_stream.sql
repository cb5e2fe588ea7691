-- The stream of the slot, as it last reported. Alive: held, and a heart-beat within ten seconds.
-- Columns that came after the first schema are read by name: `status` comes before `apply`.
SELECT holder IS NOT NULL AND clock_timestamp() - heartbeat_at <= interval '10 seconds' AS alive,
    greatest(0, extract(epoch FROM clock_timestamp() - heartbeat_at))::float8 AS heartbeat_age_s,
    generation, takeovers, started_at, received_lsn::text AS received_lsn,
    settled_lsn::text AS settled_lsn, confirmed_lsn::text AS confirmed_lsn, settled_at,
    extract(epoch FROM clock_timestamp() - oldest_unsettled_at)::float8 AS oldest_unsettled_age_s,
    delivered,
    coalesce((to_jsonb(s) ->> 'recoveries')::bigint, 0) AS recoveries,
    coalesce((to_jsonb(s) ->> 'recovered')::bigint, 0) AS recovered,
    coalesce((to_jsonb(s) ->> 'recovering')::boolean, false) AS recovering,
    to_jsonb(s) ->> 'recovery_reason' AS recovery_reason
FROM cdc_triggers.stream s
WHERE slot_name = %(slot)s AND generation > 0
