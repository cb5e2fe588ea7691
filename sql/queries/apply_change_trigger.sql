-- A trigger's new definition. What was said by hand of its clean-up holds until its cleanup_config changes.
UPDATE cdc_triggers.trigger
   SET table_id = %(table_id)s, definition = %(definition)s, ordering_attnums = %(ordering)s::smallint[],
       cleanup_paused = CASE WHEN (definition -> 'cleanup_config')::jsonb
                              IS NOT DISTINCT FROM (%(definition)s::json -> 'cleanup_config')::jsonb
                             THEN cleanup_paused END,
       revision = revision + 1, updated_at = clock_timestamp()
 WHERE id = %(id)s
RETURNING id, revision
