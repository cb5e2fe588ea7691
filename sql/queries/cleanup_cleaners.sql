-- All triggers as their clean-ups see them. A schedule counts from the last change
-- of the trigger, or from the last time that it was run for.
SELECT t.id, t.name, t.table_id, (t.definition -> 'cleanup_config')::text,
       coalesce(t.cleanup_paused, (t.definition -> 'cleanup_config' ->> 'paused')::boolean, false),
       greatest(t.updated_at, (SELECT max(c.scheduled_at) FROM cdc_triggers.cleanup c
                                WHERE c.trigger_id = t.id AND c.scheduled_at IS NOT NULL))
  FROM cdc_triggers.trigger t
 ORDER BY t.name
