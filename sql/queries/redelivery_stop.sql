-- Ends the line of a redelivery, which stops it: whoever works on it finds that out when it notes how far it is.
UPDATE cdc_triggers.audit SET result = 'failed', detail = detail || %(more)s, ended_at = clock_timestamp()
WHERE id = %(number)s AND result = 'begun'
