-- How many deliveries of one event will be retried anyway.
SELECT count(*) FROM cdc_triggers.delivery d
JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
WHERE d.event_id = %(id)s::uuid AND d.status = 'parked'
    AND (%(trigger)s::text IS NULL OR t.name = %(trigger)s)
