-- Write a MANUAL event for one trigger.
SELECT cdc_triggers.invoke(%(name)s, %(payload)s)::text
