-- The classic shape of an event trigger: one jsonb row for each changed row, in a table with three
-- indexes, written by a row-level trigger in a subtransaction.
CREATE TABLE classic_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    schema_name text NOT NULL, table_name text NOT NULL, trigger_name text NOT NULL,
    payload jsonb NOT NULL,
    delivered boolean NOT NULL DEFAULT false, error boolean NOT NULL DEFAULT false,
    tries integer NOT NULL DEFAULT 0, created_at timestamp NOT NULL DEFAULT now(),
    locked timestamptz, next_retry_at timestamp
);
CREATE INDEX ON classic_log (trigger_name);
CREATE INDEX ON classic_log (locked, next_retry_at, created_at) WHERE NOT delivered AND NOT error;

CREATE FUNCTION classic_notify() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row jsonb; new_row jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN old_row := row_to_json(OLD)::jsonb; END IF;
    IF TG_OP <> 'DELETE' THEN new_row := row_to_json(NEW)::jsonb; END IF;
    BEGIN
        INSERT INTO classic_log (schema_name, table_name, trigger_name, payload)
        VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_NAME,
                jsonb_build_object('op', TG_OP, 'data', jsonb_build_object('old', old_row, 'new', new_row),
                                   'session', nullif(current_setting('hasura.user', true), '')));
    EXCEPTION WHEN undefined_object THEN
        NULL;
    END;
    RETURN NULL;
END
$$;

CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON classic
    FOR EACH ROW EXECUTE FUNCTION classic_notify();
