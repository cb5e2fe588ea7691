-- The schema of cdc-triggers: specs, the ring of events, parked deliveries, the ring of attempts.
COMMENT ON SCHEMA cdc_triggers IS 'cdc-triggers: event triggers delivered from a logical replication slot';

CREATE TABLE cdc_triggers.captured_table (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relid regclass NOT NULL UNIQUE,
    level text NOT NULL CHECK (level IN ('statement', 'row')),
    key_attnums smallint[] NOT NULL
);
COMMENT ON TABLE cdc_triggers.captured_table IS 'User tables with capture triggers; event_log.table_id refers here.';
COMMENT ON COLUMN cdc_triggers.captured_table.relid IS 'The table; follows renames and pg_dump.';
COMMENT ON COLUMN cdc_triggers.captured_table.level IS 'statement: transition tables; row: partitioned and inherited tables, and those with AFTER row triggers of their own.';
COMMENT ON COLUMN cdc_triggers.captured_table.key_attnums IS 'Attribute numbers of the primary key (or of the replica identity index); empty if there is none.';

CREATE TABLE cdc_triggers.trigger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    table_id integer NOT NULL REFERENCES cdc_triggers.captured_table (id),
    definition json NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    ordering_attnums smallint[] NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    paused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE cdc_triggers.trigger IS 'Applied trigger specs. A trigger that is dropped and made again gets a new id.';
COMMENT ON COLUMN cdc_triggers.trigger.definition IS 'The spec as applied, in the form of the trigger file; environment values are never in it.';
COMMENT ON COLUMN cdc_triggers.trigger.revision IS 'Grows by one whenever the spec changes; cdc_triggers.trigger_revision keeps them.';
COMMENT ON COLUMN cdc_triggers.trigger.ordering_attnums IS 'Attribute numbers of the ordering key; empty: ordering none or total.';
COMMENT ON COLUMN cdc_triggers.trigger.paused IS 'True: matched events are parked and wait for resume.';

CREATE TABLE cdc_triggers.trigger_revision (
    trigger_id bigint NOT NULL REFERENCES cdc_triggers.trigger (id) ON DELETE CASCADE,
    revision integer NOT NULL,
    definition json NOT NULL,
    column_attnums json NOT NULL,
    applied_snapshot pg_snapshot NOT NULL DEFAULT pg_current_snapshot(),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (trigger_id, revision)
);
COMMENT ON TABLE cdc_triggers.trigger_revision IS 'Which spec was in force for an event: the latest revision whose snapshot does not contain the event''s transaction.';
COMMENT ON COLUMN cdc_triggers.trigger_revision.column_attnums IS 'Attribute number of every column that the spec names, by name: a rename changes nothing.';
COMMENT ON COLUMN cdc_triggers.trigger_revision.applied_snapshot IS 'Transactions visible here committed before the revision was applied.';

CREATE SEQUENCE cdc_triggers.event_seq;

CREATE TABLE cdc_triggers.event_log (
    bucket smallint NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    table_id integer NOT NULL,
    xid xid8 NOT NULL,
    created_at timestamptz NOT NULL,
    op text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    old json,
    new json,
    session text,
    trace text,
    trigger_name text
) PARTITION BY LIST (bucket);
CREATE INDEX event_log_id ON cdc_triggers.event_log (id);
COMMENT ON TABLE cdc_triggers.event_log IS 'One row per captured row change, written in the user''s transaction; a ring of eight buckets.';
COMMENT ON COLUMN cdc_triggers.event_log.bucket IS 'Place in the ring, from the time; the oldest bucket is truncated.';
COMMENT ON COLUMN cdc_triggers.event_log.seq IS 'Order of capture; within one row that is also commit order.';
COMMENT ON COLUMN cdc_triggers.event_log.id IS 'Event id (UUID version 7), the same on every attempt for ever.';
COMMENT ON COLUMN cdc_triggers.event_log.xid IS 'Top-level transaction of the change.';
COMMENT ON COLUMN cdc_triggers.event_log.op IS 'INSERT, UPDATE, DELETE or MANUAL.';
COMMENT ON COLUMN cdc_triggers.event_log.session IS 'Setting hasura.user of the transaction, unparsed.';
COMMENT ON COLUMN cdc_triggers.event_log.trace IS 'Setting hasura.tracecontext of the transaction, unparsed.';
COMMENT ON COLUMN cdc_triggers.event_log.trigger_name IS 'The one trigger that is meant: for MANUAL, and for replicated rows that not all triggers of the table want.';

CREATE TABLE cdc_triggers.delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trigger_id bigint NOT NULL,
    trigger_name text NOT NULL,
    revision integer NOT NULL,
    event_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('parked', 'dead')),
    reason text NOT NULL,
    key text,
    old_key text,
    commit_lsn pg_lsn NOT NULL,
    position integer NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    claimed_until timestamptz,
    claimed_by uuid,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    dead_at timestamptz,
    last_error text,
    bytes integer NOT NULL,
    table_id integer NOT NULL,
    xid xid8 NOT NULL,
    created_at timestamptz NOT NULL,
    op text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    old json,
    new json,
    session text,
    trace text,
    UNIQUE (trigger_id, event_id)
);
CREATE INDEX delivery_due ON cdc_triggers.delivery (trigger_id, due_at, commit_lsn, position) WHERE status = 'parked' AND due_at IS NOT NULL;
CREATE INDEX delivery_chain ON cdc_triggers.delivery (trigger_id, key, commit_lsn, position) WHERE status = 'parked' AND key IS NOT NULL;
CREATE INDEX delivery_old_chain ON cdc_triggers.delivery (trigger_id, old_key, commit_lsn, position) WHERE status = 'parked' AND old_key IS NOT NULL;
CREATE INDEX delivery_event ON cdc_triggers.delivery (event_id);
CREATE INDEX delivery_claim ON cdc_triggers.delivery (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX delivery_commit ON cdc_triggers.delivery (commit_lsn);
COMMENT ON TABLE cdc_triggers.delivery IS 'Deliveries that are parked (will be retried) or dead (retries used up, kept). Each has its own copy of the event. One whose trigger_id is gone from cdc_triggers.trigger is archived: it is never delivered.';
COMMENT ON COLUMN cdc_triggers.delivery.reason IS 'Why it was parked: failed, behind, overflow, paused, slow, drain, redelivered.';
COMMENT ON COLUMN cdc_triggers.delivery.key IS 'Ordering key as a JSON array; NULL: no order.';
COMMENT ON COLUMN cdc_triggers.delivery.old_key IS 'The key before an UPDATE that changed it.';
COMMENT ON COLUMN cdc_triggers.delivery.commit_lsn IS 'With position, the place in the stream: chains are delivered in this order.';
COMMENT ON COLUMN cdc_triggers.delivery.tries IS 'Attempts made.';
COMMENT ON COLUMN cdc_triggers.delivery.due_at IS 'When it may be attempted; NULL: it waits behind an earlier one of its key.';
COMMENT ON COLUMN cdc_triggers.delivery.claimed_until IS 'A stream is working on it until then.';

CREATE TABLE cdc_triggers.attempt (
    bucket smallint NOT NULL,
    event_id uuid NOT NULL,
    trigger_id bigint NOT NULL,
    trigger_name text NOT NULL,
    attempt integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'retry', 'dead')),
    started_at timestamptz NOT NULL,
    duration_ms real NOT NULL,
    status integer,
    error text,
    request json,
    response json,
    commit_lsn pg_lsn NOT NULL
) PARTITION BY LIST (bucket);
CREATE INDEX attempt_event ON cdc_triggers.attempt (event_id);
CREATE INDEX attempt_commit ON cdc_triggers.attempt USING brin (commit_lsn) WITH (pages_per_range = 16);
COMMENT ON TABLE cdc_triggers.attempt IS 'One row per HTTP request made; a ring of eight buckets.';
COMMENT ON COLUMN cdc_triggers.attempt.outcome IS 'delivered: 2xx. retry: failed, will be made again. dead: failed, retries used up.';
COMMENT ON COLUMN cdc_triggers.attempt.request IS 'URL and headers as written in the spec; values from the environment are not in it.';
COMMENT ON COLUMN cdc_triggers.attempt.response IS 'Headers and body as text, up to 64 KiB of it.';

CREATE TABLE cdc_triggers.stream (
    slot_name text PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 0,
    holder uuid,
    backend_pid integer,
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    takeovers bigint NOT NULL DEFAULT 0,
    received_lsn pg_lsn,
    settled_lsn pg_lsn,
    confirmed_lsn pg_lsn,
    oldest_unsettled_at timestamptz,
    settled_at timestamptz,
    delivered bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE cdc_triggers.stream IS 'Who streams from which slot, and how far it is.';
COMMENT ON COLUMN cdc_triggers.stream.generation IS 'Fencing token: grows at every take-over; a stream with an older one can write nothing.';
COMMENT ON COLUMN cdc_triggers.stream.settled_at IS 'Commit time of the last transaction with nothing unsettled before it.';

CREATE TABLE cdc_triggers.ring (
    name text PRIMARY KEY,
    buckets smallint NOT NULL,
    period interval NOT NULL
);
COMMENT ON TABLE cdc_triggers.ring IS 'Retention: a row is kept for buckets - 2 periods at least, and for one more at most.';
INSERT INTO cdc_triggers.ring VALUES ('event_log', 8, '1 day'), ('attempt', 8, '1 day');

CREATE TABLE cdc_triggers.installed (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE cdc_triggers.installed IS 'Which text of the capture functions is in place; apply replaces them only if it differs.';
