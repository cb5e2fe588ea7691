-- Pause or resume one trigger; no row if it is so already.
UPDATE cdc_triggers.trigger
SET paused = %(paused)s, paused_at = CASE WHEN %(paused)s THEN now() END, updated_at = now()
WHERE name = %(name)s AND paused <> %(paused)s
RETURNING id
