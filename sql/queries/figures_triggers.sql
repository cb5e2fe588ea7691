-- What is owed and what is dead, per trigger: for metrics.
SELECT t.name, t.paused, count(d.event_id) FILTER (WHERE d.status = 'parked') AS parked,
    count(d.event_id) FILTER (WHERE d.status = 'dead') AS dead,
    coalesce(extract(epoch FROM clock_timestamp()
        - min(d.created_at) FILTER (WHERE d.status = 'parked')), 0)::float8 AS oldest_age_s
FROM cdc_triggers.trigger t
LEFT JOIN cdc_triggers.delivery d ON d.trigger_id = t.id AND d.status IN ('parked', 'dead')
GROUP BY t.id, t.name, t.paused
ORDER BY t.name
