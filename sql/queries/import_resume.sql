-- End the pause that the import made.
UPDATE cdc_triggers.trigger SET paused = false, paused_at = NULL, updated_at = now()
 WHERE name = ANY (%(names)s) AND paused
