-- Notes what came of it.
UPDATE cdc_triggers.audit SET result = %(result)s, detail = %(detail)s, ended_at = clock_timestamp()
WHERE id = %(id)s
