SELECT t.id, t.name, c.relid::oid::bigint, t.definition::text, t.revision, r.column_attnums::text, t.ordering_attnums
  FROM cdc_triggers.trigger t
  JOIN cdc_triggers.captured_table c ON c.id = t.table_id
  JOIN cdc_triggers.trigger_revision r ON r.trigger_id = t.id AND r.revision = t.revision
 ORDER BY t.id
