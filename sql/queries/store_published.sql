-- By which entry of the log in the publication this slot is read, from the first start on; a recovery notes another one.
UPDATE cdc_triggers.stream SET published = cdc_triggers.published()
 WHERE slot_name = %(slot)s AND generation = %(generation)s AND published IS NULL
