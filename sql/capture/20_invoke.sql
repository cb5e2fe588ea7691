-- Invocation by hand: an event of its own, in the caller's transaction, through the same log. The caller
-- needs EXECUTE and no right on what it touches.
CREATE OR REPLACE FUNCTION cdc_triggers.invoke(trigger_name text, payload json) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event_id uuid := cdc_triggers.new_event_id();
    found_table integer;
    named name[];
    allowed boolean;
BEGIN
    SELECT t.table_id, parse_ident(c.relid::text), coalesce((t.definition -> 'definition' ->> 'enable_manual')::boolean, false)
      INTO found_table, named, allowed
      FROM cdc_triggers.trigger t
      JOIN cdc_triggers.captured_table c ON c.id = t.table_id
     WHERE t.name = invoke.trigger_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no trigger %', invoke.trigger_name
            USING ERRCODE = 'undefined_object', HINT = 'List them: cdc-triggers triggers list.';
    END IF;
    IF NOT allowed THEN
        RAISE EXCEPTION 'trigger % may not be invoked by hand', invoke.trigger_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Set enable_manual: true in its definition and apply.';
    END IF;
    INSERT INTO cdc_triggers.event_log
        (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, new, session, trace, trigger_name)
    VALUES
        (cdc_triggers.event_bucket(clock_timestamp()), nextval('cdc_triggers.event_seq'), event_id, found_table,
         pg_current_xact_id(), clock_timestamp(), 'MANUAL', named[1], named[2], payload,
         cdc_triggers.writer_session(), cdc_triggers.writer_trace(), invoke.trigger_name);
    RETURN event_id;
END
$$;
COMMENT ON FUNCTION cdc_triggers.invoke(text, json) IS 'Invoke a trigger with enable_manual; returns the event id.';

-- Triggers fire without EXECUTE. capture_row keeps it: a table's owner who adds a partition clones the
-- trigger and needs it then. Without USAGE on the schema nobody can name the function in a trigger.
REVOKE EXECUTE ON FUNCTION
    cdc_triggers.event_bucket(timestamptz), cdc_triggers.event_bucket_at(double precision),
    cdc_triggers.attempt_bucket(timestamptz), cdc_triggers.new_event_id(),
    cdc_triggers.event_id_time(double precision), cdc_triggers.event_id(text, bigint),
    cdc_triggers.writer_session(), cdc_triggers.writer_trace(), cdc_triggers.capture_insert(),
    cdc_triggers.capture_update(), cdc_triggers.capture_delete(), cdc_triggers.invoke(text, json)
    FROM PUBLIC;
