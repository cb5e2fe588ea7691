-- Per trigger: what is owed, what was delivered within the attempt log's retention, the last error.
WITH owed AS (
    SELECT trigger_id, count(*) FILTER (WHERE status = 'parked') AS parked,
        count(*) FILTER (WHERE status = 'dead') AS dead,
        min(created_at) FILTER (WHERE status = 'parked') AS oldest
    FROM cdc_triggers.delivery GROUP BY trigger_id
), done AS (
    SELECT trigger_id, count(*) AS delivered FROM cdc_triggers.attempt
    WHERE outcome = 'delivered' GROUP BY trigger_id
)
SELECT t.name, t.paused, coalesce(o.parked, 0) AS parked, coalesce(o.dead, 0) AS dead,
    coalesce(d.delivered, 0) AS delivered,
    extract(epoch FROM clock_timestamp() - coalesce(o.oldest, s.oldest_unsettled_at))::float8
        AS oldest_unsettled_age_s,
    (SELECT f.last_error FROM cdc_triggers.delivery f
     WHERE f.trigger_id = t.id AND f.last_error IS NOT NULL
     ORDER BY f.event_id DESC LIMIT 1) AS last_error
FROM cdc_triggers.trigger t
LEFT JOIN owed o ON o.trigger_id = t.id
LEFT JOIN done d ON d.trigger_id = t.id
LEFT JOIN cdc_triggers.stream s ON s.slot_name = %(slot)s
ORDER BY t.name
