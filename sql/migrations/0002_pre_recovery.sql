-- What a stream must know to recover from a slot that is lost: what is settled, on which timeline.
ALTER TABLE cdc_triggers.stream
    ADD COLUMN process text,
    ADD COLUMN timeline integer,
    ADD COLUMN settled_snapshot pg_snapshot,
    ADD COLUMN mark_snapshot pg_snapshot,
    ADD COLUMN mark_lsn pg_lsn,
    ADD COLUMN recovering boolean NOT NULL DEFAULT false,
    ADD COLUMN recovery_reason text,
    ADD COLUMN recoveries bigint NOT NULL DEFAULT 0,
    ADD COLUMN recovered bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN cdc_triggers.stream.settled_lsn IS 'All below it is settled. The slot is never confirmed past it: one that is further on was moved by somebody else.';
COMMENT ON COLUMN cdc_triggers.stream.process IS 'The holder''s process: boot id, pid namespace and pid. Who shares them can tell that it is dead, and need not wait for its lease.';
COMMENT ON COLUMN cdc_triggers.stream.timeline IS 'Timeline of the server at the last write; another one means a failover or a restore.';
COMMENT ON COLUMN cdc_triggers.stream.settled_snapshot IS 'Transactions visible here are settled: their events were delivered, parked, or wanted by nobody.';
COMMENT ON COLUMN cdc_triggers.stream.mark_snapshot IS 'Becomes settled_snapshot when settled_lsn reaches mark_lsn.';
COMMENT ON COLUMN cdc_triggers.stream.mark_lsn IS 'Transactions visible in mark_snapshot had committed before this place in the WAL.';
COMMENT ON COLUMN cdc_triggers.stream.recovering IS 'True: the slot was lost, and not all of its events have been parked from the log yet.';
COMMENT ON COLUMN cdc_triggers.stream.recovery_reason IS 'Why the last recovery was begun.';
COMMENT ON COLUMN cdc_triggers.stream.recoveries IS 'Recoveries completed.';
COMMENT ON COLUMN cdc_triggers.stream.recovered IS 'Deliveries that recoveries found in the log and parked.';
COMMENT ON COLUMN cdc_triggers.delivery.reason IS 'Why it was parked: failed, behind, overflow, paused, slow, drain, archived, redelivered, recovered, imported.';
COMMENT ON COLUMN cdc_triggers.event_log.session IS 'Unparsed: the setting cdc_triggers.session as {"cdc_triggers": ...}, else hasura.user.';
COMMENT ON COLUMN cdc_triggers.event_log.trace IS 'Unparsed: the setting cdc_triggers.traceparent, else hasura.tracecontext.';
