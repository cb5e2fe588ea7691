-- One row of the log, whole.
SELECT l.bucket::text, l.seq::text, l.id::text, l.table_id::text, l.xid::text, l.created_at::text, l.op,
       l.schema_name, l.table_name, l.old::text, l.new::text, l.session, l.trace, l.trigger_name
  FROM cdc_triggers.event_log l WHERE l.id = %(id)s;
