-- How far it is; false: somebody has paused it.
UPDATE cdc_triggers.cleanup c
   SET deleted_events = deleted_events + %(events)s, deleted_attempts = deleted_attempts + %(attempts)s
 WHERE c.id = %(id)s
RETURNING NOT EXISTS (
    SELECT FROM cdc_triggers.trigger t
     WHERE t.id = c.trigger_id
       AND coalesce(t.cleanup_paused, (t.definition -> 'cleanup_config' ->> 'paused')::boolean, false))
