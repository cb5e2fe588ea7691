-- A page of the audit, newest first: walks the primary key.
SELECT id, at, session, address, user_agent, action, target, arguments::text AS arguments, command, result,
    detail, ended_at
FROM cdc_triggers.audit
WHERE id < coalesce(%(before)s, 9223372036854775807)
    AND (%(action)s::text IS NULL OR action = %(action)s)
    AND (%(target)s::text IS NULL OR target = %(target)s)
ORDER BY id DESC
LIMIT %(limit)s
