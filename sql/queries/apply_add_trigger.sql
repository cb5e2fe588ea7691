INSERT INTO cdc_triggers.trigger (name, table_id, definition, ordering_attnums)
VALUES (%(name)s, %(table_id)s, %(definition)s, %(ordering)s::smallint[])
RETURNING id, revision
