-- Every recorded attempt for one event, in the order in which they were made.
SELECT trigger_name AS trigger, attempt, outcome, started_at, duration_ms, status, error,
    request::text AS request, response::text AS response
FROM cdc_triggers.attempt
WHERE event_id = %(id)s::uuid
ORDER BY started_at, trigger_name, attempt
