-- The events of these ids, from the log or from a delivery's copy, with what is owed to one trigger.
SELECT e.id::text AS id, e.created_at, e.op, e.schema_name, e.table_name, e.xid::text AS xid,
    e.trigger_name, e.session, e.trace, e.old::text AS old, e.new::text AS new,
    d.claimed_until, d.due_at
FROM unnest(%(ids)s::uuid[]) wanted (id)
CROSS JOIN LATERAL (
    SELECT 1 AS source, l.id, l.created_at, l.op, l.schema_name, l.table_name, l.xid, l.trigger_name,
        l.session, l.trace, l.old, l.new
    FROM cdc_triggers.event_log l WHERE l.id = wanted.id
    UNION ALL
    SELECT 2, p.event_id, p.created_at, p.op, p.schema_name, p.table_name, p.xid,
        CASE WHEN p.op = 'MANUAL' THEN p.trigger_name END, p.session, p.trace, p.old, p.new
    FROM cdc_triggers.delivery p WHERE p.event_id = wanted.id
    ORDER BY source LIMIT 1
) e
LEFT JOIN LATERAL (
    SELECT CASE WHEN p.claimed_until > clock_timestamp() THEN p.claimed_until END AS claimed_until, p.due_at
    FROM cdc_triggers.delivery p
    WHERE p.event_id = wanted.id AND p.trigger_name = %(trigger)s AND p.status = 'parked'
    ORDER BY p.id DESC LIMIT 1
) d ON true
