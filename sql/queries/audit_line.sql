-- One line of the audit.
SELECT id, at, session, address, user_agent, action, target, arguments::text AS arguments, command, result,
    detail, ended_at
FROM cdc_triggers.audit WHERE id = %(id)s
