-- Applied triggers with all their revisions, newest first.
SELECT t.id, t.name, t.table_id, t.paused, t.ordering_attnums, c.relid::oid::bigint,
       (SELECT json_agg(json_build_array(r.revision, r.definition, r.column_attnums,
                                         r.applied_snapshot::text) ORDER BY r.revision DESC)
          FROM cdc_triggers.trigger_revision r WHERE r.trigger_id = t.id) AS revisions
  FROM cdc_triggers.trigger t JOIN cdc_triggers.captured_table c ON c.id = t.table_id
 ORDER BY t.id;
