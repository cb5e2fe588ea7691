-- Notes how far a redelivery is that runs; changes nothing if somebody has ended its line.
UPDATE cdc_triggers.audit SET detail = %(detail)s WHERE id = %(number)s AND result = 'begun'
