-- Of what do the newest dead deliveries of each trigger die? Reads `window` of each at most, by index.
SELECT t.name AS trigger, coalesce(left(d.last_error, 300), '') AS error, count(*) AS amount,
    min(d.dead_at) AS first_at, max(d.dead_at) AS last_at
FROM cdc_triggers.trigger t
CROSS JOIN LATERAL (
    SELECT p.last_error, p.dead_at FROM cdc_triggers.delivery p
    WHERE p.trigger_id = t.id AND p.status = 'dead'
    ORDER BY p.dead_at DESC LIMIT %(window)s
) d
WHERE %(trigger)s::text IS NULL OR t.name = %(trigger)s
GROUP BY t.name, left(d.last_error, 300)
