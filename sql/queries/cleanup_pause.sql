-- Pause or resume the clean-ups of triggers that have one.
UPDATE cdc_triggers.trigger t SET cleanup_paused = %(paused)s
 WHERE t.id = ANY (%(ids)s)
