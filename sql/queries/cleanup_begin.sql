-- A clean-up begins.
INSERT INTO cdc_triggers.cleanup (trigger_id, trigger_name, origin, scheduled_at)
VALUES (%(trigger_id)s, %(trigger_name)s, %(origin)s, %(scheduled_at)s)
RETURNING id
