-- Park what was staged, or keep it dead. Chains are put in order at the end: until then no stream
-- claims anything.
INSERT INTO cdc_triggers.delivery
    (trigger_id, trigger_name, revision, event_id, status, reason, key, old_key, commit_lsn,
     position, due_at, dead_at, last_error, bytes, table_id, xid, created_at, op, schema_name,
     table_name, old, new, session, trace)
SELECT p.trigger_id, p.trigger_name, p.revision, p.event_id, p.status, p.reason, p.key, p.old_key,
       p.commit_lsn, p.position, CASE WHEN p.key IS NULL AND p.status = 'parked' THEN clock_timestamp() END,
       CASE WHEN p.status = 'dead' THEN clock_timestamp() END, p.last_error, p.bytes, p.table_id,
       p.xid, p.created_at, p.op, p.schema_name, p.table_name, p.old, p.new, p.session, p.trace
  FROM pg_temp.cdc_parking p
 ORDER BY p.commit_lsn, p.position
    ON CONFLICT (trigger_id, event_id) DO NOTHING;
