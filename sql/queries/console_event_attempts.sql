-- The newest attempts for one event, made before `before` if that is given.
SELECT trigger_name AS trigger, attempt, outcome, started_at, duration_ms, status, error,
    request::text AS request, response::text AS response
FROM cdc_triggers.attempt
WHERE event_id = %(id)s::uuid AND started_at < coalesce(%(before)s::timestamptz, 'infinity')
ORDER BY started_at DESC, trigger_name, attempt DESC
LIMIT %(limit)s
