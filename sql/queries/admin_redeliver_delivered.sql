-- Owe a delivered event again: a parked copy for each of its triggers that still exists. It has no
-- ordering key: later events of its key have been delivered since, so there is nothing to keep.
INSERT INTO cdc_triggers.delivery (trigger_id, trigger_name, revision, event_id, status, reason,
    commit_lsn, position, due_at, bytes, table_id, xid, created_at, op, schema_name, table_name,
    old, new, session, trace)
SELECT t.id, t.name, t.revision, e.id, 'parked', 'redelivered', a.commit_lsn, 0, now(),
    400 + coalesce(octet_length(e.old::text), 0) + coalesce(octet_length(e.new::text), 0),
    e.table_id, e.xid, e.created_at, e.op, e.schema_name, e.table_name, e.old, e.new, e.session, e.trace
FROM cdc_triggers.event_log e
JOIN (
    SELECT trigger_id, max(commit_lsn) AS commit_lsn FROM cdc_triggers.attempt
    WHERE event_id = %(id)s::uuid AND outcome = 'delivered' GROUP BY trigger_id
) a ON true
JOIN cdc_triggers.trigger t ON t.id = a.trigger_id
WHERE e.id = %(id)s::uuid
    AND (%(trigger)s::text IS NULL OR t.name = %(trigger)s)
ON CONFLICT (trigger_id, event_id) DO NOTHING
RETURNING id
