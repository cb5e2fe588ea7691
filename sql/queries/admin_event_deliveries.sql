-- The parked, dead and archived deliveries of one event.
SELECT d.trigger_name AS trigger, CASE WHEN t.id IS NULL THEN 'archived' ELSE d.status END AS status,
    d.reason, d.key, d.tries, d.due_at, d.claimed_until, d.parked_at, d.dead_at,
    d.commit_lsn::text AS commit_lsn, d.last_error
FROM cdc_triggers.delivery d
LEFT JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
WHERE d.event_id = %(id)s::uuid
ORDER BY d.trigger_name, d.trigger_id
