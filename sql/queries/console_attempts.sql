-- The attempts of the newest events, from `from_id` on and not more than `limit`: walks the index on event_id.
-- Latency is from the event's id (UUID version 7: 48 bits of milliseconds since 1970) to the attempt.
SELECT a.event_id::text AS event_id, a.trigger_name, a.attempt, a.outcome,
    extract(epoch FROM a.started_at)::float8
        - (('x' || substr(replace(a.event_id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)::float8 AS latency_s
FROM cdc_triggers.attempt a
WHERE a.event_id >= %(from_id)s::uuid
ORDER BY a.event_id DESC
LIMIT %(limit)s
