-- What people did on the console: who, what, when, and what came of it.
CREATE TABLE cdc_triggers.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    session text NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    arguments json NOT NULL,
    command text NOT NULL,
    result text NOT NULL DEFAULT 'begun' CHECK (result IN ('begun', 'done', 'failed')),
    detail text NOT NULL DEFAULT '',
    ended_at timestamptz
);
COMMENT ON TABLE cdc_triggers.audit IS 'What was done on the console, one row per action, written before it is done.';
COMMENT ON COLUMN cdc_triggers.audit.session IS 'Which session: a digest of its id, of no use to sign in.';
COMMENT ON COLUMN cdc_triggers.audit.address IS 'Where the browser is; behind a proxy also what that says, which nobody has checked.';
COMMENT ON COLUMN cdc_triggers.audit.action IS 'What, as a word for programs: trigger.pause, event.redeliver.';
COMMENT ON COLUMN cdc_triggers.audit.target IS 'On what: the name of a trigger, the id of an event; empty: on everything.';
COMMENT ON COLUMN cdc_triggers.audit.arguments IS 'How: the fields of the form as a JSON object, without row values.';
COMMENT ON COLUMN cdc_triggers.audit.command IS 'The command line that does the same.';
COMMENT ON COLUMN cdc_triggers.audit.result IS 'begun: it runs, or its process ended in the middle. failed: detail says why.';
