-- The dead deliveries of one event, for triggers that still exist.
SELECT d.id
FROM cdc_triggers.delivery d
JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
WHERE d.event_id = %(id)s::uuid AND d.status = 'dead'
    AND (%(trigger)s::text IS NULL OR t.name = %(trigger)s)
FOR UPDATE OF d
