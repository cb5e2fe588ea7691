-- Notes that something is about to be done on the console.
INSERT INTO cdc_triggers.audit (session, address, user_agent, action, target, arguments, command)
VALUES (%(session)s, %(address)s, %(user_agent)s, %(action)s, %(target)s, %(arguments)s, %(command)s)
RETURNING id
