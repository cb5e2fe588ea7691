-- Notes how far a redelivery is that runs.
UPDATE cdc_triggers.audit SET detail = %(detail)s WHERE id = %(number)s AND result = 'begun'
