-- A page of one trigger's attempts, those for the newest event first: walks the index on event_id.
SELECT event_id::text AS event_id, trigger_name AS trigger, attempt, outcome, started_at, duration_ms,
    status, error, request::text AS request, response::text AS response
FROM cdc_triggers.attempt
WHERE trigger_name = %(trigger)s
ORDER BY event_id DESC, started_at DESC
LIMIT %(limit)s OFFSET %(offset)s
