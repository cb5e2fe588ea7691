-- How many deliveries of a trigger are dead of what, since then.
SELECT coalesce(left(d.last_error, 300), '') AS error, count(*) AS amount
FROM cdc_triggers.delivery d
WHERE d.trigger_id = (SELECT t.id FROM cdc_triggers.trigger t WHERE t.name = %(trigger)s)
    AND d.status = 'dead' AND d.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND coalesce(d.dead_at, '-infinity') <= %(died_by)s
GROUP BY left(d.last_error, 300)
