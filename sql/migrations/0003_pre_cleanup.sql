-- Clean-ups: what was done, what a person has paused, and how long what nobody is owed is kept.
CREATE TABLE cdc_triggers.retention (
    name text PRIMARY KEY CHECK (name IN ('dead')),
    keep interval
);
COMMENT ON TABLE cdc_triggers.retention IS 'How long deliveries are kept that nobody is owed; cdc_triggers.ring says it of the logs.';
COMMENT ON COLUMN cdc_triggers.retention.name IS 'dead: dead deliveries since their death, archived ones since their trigger was removed, and finished clean-ups.';
COMMENT ON COLUMN cdc_triggers.retention.keep IS 'NULL: for ever.';
INSERT INTO cdc_triggers.retention VALUES ('dead', '30 days');

CREATE TABLE cdc_triggers.removed_trigger (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE cdc_triggers.removed_trigger IS 'Triggers that are gone and may have left deliveries behind: archived, never sent.';
INSERT INTO cdc_triggers.removed_trigger (id, name)
SELECT d.trigger_id, max(d.trigger_name) FROM cdc_triggers.delivery d
 WHERE NOT EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.id = d.trigger_id)
 GROUP BY d.trigger_id;

CREATE TABLE cdc_triggers.cleanup (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trigger_id bigint,
    trigger_name text,
    origin text NOT NULL CHECK (origin IN ('schedule', 'command', 'api', 'retention')),
    scheduled_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'paused', 'failed', 'interrupted')),
    backend_pid integer NOT NULL DEFAULT pg_backend_pid(),
    deleted_events bigint NOT NULL DEFAULT 0,
    deleted_attempts bigint NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX cleanup_trigger ON cdc_triggers.cleanup (trigger_id, scheduled_at) WHERE scheduled_at IS NOT NULL;
COMMENT ON TABLE cdc_triggers.cleanup IS 'Clean-ups that were run, one row each.';
COMMENT ON COLUMN cdc_triggers.cleanup.trigger_id IS 'NULL: the retention, which is for all triggers.';
COMMENT ON COLUMN cdc_triggers.cleanup.origin IS 'schedule: its cleanup_config was due. command, api: somebody asked. retention: too old for the whole database.';
COMMENT ON COLUMN cdc_triggers.cleanup.scheduled_at IS 'The time of the schedule that it was run for: of several that were missed, the last.';
COMMENT ON COLUMN cdc_triggers.cleanup.status IS 'paused: somebody paused it in the middle. interrupted: its process ended in the middle; the next one goes on.';
COMMENT ON COLUMN cdc_triggers.cleanup.backend_pid IS 'Its session on the server while it runs.';
COMMENT ON COLUMN cdc_triggers.cleanup.deleted_events IS 'Dead and archived deliveries, and rows of the event log.';
COMMENT ON COLUMN cdc_triggers.cleanup.deleted_attempts IS 'Rows of the attempt log.';

ALTER TABLE cdc_triggers.trigger
    ADD COLUMN cleanup_paused boolean;
COMMENT ON COLUMN cdc_triggers.trigger.cleanup_paused IS 'What was said by hand since the last change of cleanup_config; NULL: as its paused says.';

CREATE INDEX delivery_dead ON cdc_triggers.delivery (trigger_id, dead_at) WHERE status = 'dead';
