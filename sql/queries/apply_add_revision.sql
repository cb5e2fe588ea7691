INSERT INTO cdc_triggers.trigger_revision (trigger_id, revision, definition, column_attnums)
VALUES (%(id)s, %(revision)s, %(definition)s, %(attnums)s)
