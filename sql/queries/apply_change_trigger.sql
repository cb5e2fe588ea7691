UPDATE cdc_triggers.trigger
   SET table_id = %(table_id)s, definition = %(definition)s, ordering_attnums = %(ordering)s::smallint[],
       revision = revision + 1, updated_at = clock_timestamp()
 WHERE id = %(id)s
RETURNING id, revision
