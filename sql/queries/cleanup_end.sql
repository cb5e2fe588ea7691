-- A clean-up is over.
UPDATE cdc_triggers.cleanup
   SET status = %(status)s, error = %(error)s, ended_at = clock_timestamp()
 WHERE id = %(id)s
