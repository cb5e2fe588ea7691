-- Pause triggers that are not: their names and ids.
UPDATE cdc_triggers.trigger SET paused = true, paused_at = now(), updated_at = now()
 WHERE name = ANY (%(names)s) AND NOT paused
RETURNING name
