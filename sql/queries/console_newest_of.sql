-- The newest events of a trigger's table, as far as a window of the log reaches.
SELECT e.id::text AS id, e.created_at, e.op
FROM (
    SELECT l.id, l.created_at, l.op, l.table_id, l.trigger_name FROM cdc_triggers.event_log l
    ORDER BY l.id DESC LIMIT %(window)s
) e
JOIN cdc_triggers.trigger t ON t.table_id = e.table_id AND (e.trigger_name IS NULL OR e.trigger_name = t.name)
WHERE t.name = %(trigger)s
ORDER BY e.id DESC
LIMIT %(limit)s
