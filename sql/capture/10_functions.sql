-- Capture: what runs inside the user's transaction. Generic, so that no ALTER TABLE can break it.
--
-- TG_ARGV[0] is captured_table.id. TG_ARGV[2], if given, names the one trigger that is meant.
-- Every function is SECURITY DEFINER (the writer needs no right on this schema) with a pinned
-- search_path. Rows are named by aliases that no column will have, and #variable_conflict is set:
-- a user's column called `new_row` or `moment` must not capture a reference. The settings that shape a
-- value's text are pinned: else one value from two sessions would have two texts, and be two keys. It
-- costs 7 % of a single-row statement. What stands in braces is baked in by the installer: looking it
-- up once per statement would cost more than the rest.

CREATE OR REPLACE FUNCTION cdc_triggers.event_bucket_at(epoch double precision) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (floor(epoch / {event_period_s})::bigint % {event_buckets})::smallint;
COMMENT ON FUNCTION cdc_triggers.event_bucket_at(double precision) IS 'Place of a moment, in seconds since 1970, in the ring event_log.';

CREATE OR REPLACE FUNCTION cdc_triggers.event_bucket(at timestamptz) RETURNS smallint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN cdc_triggers.event_bucket_at(date_part('epoch', at));
COMMENT ON FUNCTION cdc_triggers.event_bucket(timestamptz) IS 'Place of a moment in the ring event_log.';

CREATE OR REPLACE FUNCTION cdc_triggers.attempt_bucket(at timestamptz) RETURNS smallint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (floor(date_part('epoch', at) / {attempt_period_s})::bigint % {attempt_buckets})::smallint;
COMMENT ON FUNCTION cdc_triggers.attempt_bucket(timestamptz) IS 'Place of a moment in the ring attempt.';

CREATE OR REPLACE FUNCTION cdc_triggers.new_event_id() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN {uuid};
COMMENT ON FUNCTION cdc_triggers.new_event_id() IS 'UUID version 7: sorted by time.';

-- The ids of a statement's rows, UUIDs of version 7 too. One call for random bits would be a sixth of what
-- capture costs a single row. So the first half is the statement's time, to a quarter of a microsecond;
-- the second is the row's seq, which no two rows share, counted from a number that is this
-- database's own. (event_id(uuid, bigint) of earlier versions is left where it is: a statement
-- that is running while apply replaces these functions may still need it.)
CREATE OR REPLACE FUNCTION cdc_triggers.event_id_time(epoch double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lpad(to_hex((epoch * 4096000)::bigint + ((epoch * 4096000)::bigint >> 12) * 61440 + 28672), 16, '0');
COMMENT ON FUNCTION cdc_triggers.event_id_time(double precision) IS 'First half of an event id: 48 bits of milliseconds, version 7, 12 bits of the millisecond''s fraction.';

CREATE OR REPLACE FUNCTION cdc_triggers.event_id(id_time text, seq bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (id_time || to_hex({event_id_base} + seq))::uuid;
COMMENT ON FUNCTION cdc_triggers.event_id(text, bigint) IS 'UUID version 7 of one row of a statement, from event_id_time and the row''s seq.';

-- What the writer's session says of itself, unparsed: whatever it holds, the statement succeeds. Our own
-- settings win; their session is wrapped, so that the stream knows it from Hasura's.
CREATE OR REPLACE FUNCTION cdc_triggers.writer_session() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce('{"cdc_triggers":' || nullif(current_setting('cdc_triggers.session', true), '') || '}',
                nullif(current_setting('hasura.user', true), ''));
COMMENT ON FUNCTION cdc_triggers.writer_session() IS 'Setting cdc_triggers.session as {"cdc_triggers": ...}, else hasura.user.';

CREATE OR REPLACE FUNCTION cdc_triggers.writer_trace() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('cdc_triggers.traceparent', true), ''),
                nullif(current_setting('hasura.tracecontext', true), ''));
COMMENT ON FUNCTION cdc_triggers.writer_trace() IS 'Setting cdc_triggers.traceparent, else hasura.tracecontext.';

-- A captured table may be attached as a partition at any time. From then on its rows change in statements
-- that name its parent, on which none of its statement triggers fires: so row triggers that wait for just
-- that (argument 'attached') capture all its rows, and the statement triggers none, until apply is run.
CREATE OR REPLACE FUNCTION cdc_triggers.capture_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
#variable_conflict use_variable
DECLARE
    epoch double precision := date_part('epoch', clock_timestamp());
    moment timestamptz := to_timestamp(epoch);
    bucket smallint := cdc_triggers.event_bucket_at(epoch);
    id_time text := cdc_triggers.event_id_time(epoch);
    writer_session text := cdc_triggers.writer_session();
    writer_trace text := cdc_triggers.writer_trace();
BEGIN
    IF pg_partition_root(TG_RELID) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO cdc_triggers.event_log
        (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, new, session, trace)
    SELECT bucket, change.seq, cdc_triggers.event_id(id_time, change.seq),
           TG_ARGV[0]::integer, pg_current_xact_id(), moment, 'INSERT', TG_TABLE_SCHEMA, TG_TABLE_NAME,
           row_to_json(change.image),
           writer_session, writer_trace
      FROM (SELECT nextval('cdc_triggers.event_seq') AS seq, new_row__ AS image
              FROM new_rows new_row__ OFFSET 0) change;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION cdc_triggers.capture_insert() IS 'AFTER INSERT, once per statement.';

CREATE OR REPLACE FUNCTION cdc_triggers.capture_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
#variable_conflict use_variable
DECLARE
    epoch double precision := date_part('epoch', clock_timestamp());
    moment timestamptz := to_timestamp(epoch);
    bucket smallint := cdc_triggers.event_bucket_at(epoch);
    id_time text := cdc_triggers.event_id_time(epoch);
    writer_session text := cdc_triggers.writer_session();
    writer_trace text := cdc_triggers.writer_trace();
BEGIN
    IF pg_partition_root(TG_RELID) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO cdc_triggers.event_log
        (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, old, session, trace)
    SELECT bucket, change.seq, cdc_triggers.event_id(id_time, change.seq),
           TG_ARGV[0]::integer, pg_current_xact_id(), moment, 'DELETE', TG_TABLE_SCHEMA, TG_TABLE_NAME,
           row_to_json(change.image),
           writer_session, writer_trace
      FROM (SELECT nextval('cdc_triggers.event_seq') AS seq, old_row__ AS image
              FROM old_rows old_row__ OFFSET 0) change;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION cdc_triggers.capture_delete() IS 'AFTER DELETE, once per statement.';

-- Old and new are paired by their place: AfterTriggerSaveEvent appends to both tuplestores in
-- lockstep, and neither scan can be parallel or reordered. So a changed key, no key, and a row that
-- cascades change twice in one statement are all paired exactly. It must stay a FULL JOIN with a
-- condition that is not strict: else a plan cached for two rows would be a nested loop, and a later
-- statement of 100,000 rows would take hours. And the order is said: a hash join, planned for two rows,
-- that is then larger than work_mem gives them back in batches. One row needs no pairing, which saves a third.
CREATE OR REPLACE FUNCTION cdc_triggers.capture_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
#variable_conflict use_variable
DECLARE
    epoch double precision := date_part('epoch', clock_timestamp());
    moment timestamptz := to_timestamp(epoch);
    bucket smallint := cdc_triggers.event_bucket_at(epoch);
    id_time text := cdc_triggers.event_id_time(epoch);
    writer_session text := cdc_triggers.writer_session();
    writer_trace text := cdc_triggers.writer_trace();
BEGIN
    IF pg_partition_root(TG_RELID) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM old_rows OFFSET 1;
    IF FOUND THEN
        INSERT INTO cdc_triggers.event_log
            (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, old, new, session, trace)
        SELECT bucket, change.seq, cdc_triggers.event_id(id_time, change.seq),
               TG_ARGV[0]::integer, pg_current_xact_id(), moment, 'UPDATE', TG_TABLE_SCHEMA, TG_TABLE_NAME,
               row_to_json(change.old_image), row_to_json(change.new_image),
               writer_session, writer_trace
          FROM (SELECT nextval('cdc_triggers.event_seq') AS seq, o.image AS old_image, n.image AS new_image
                  FROM (SELECT row_number() OVER () AS place, old_row__ AS image FROM old_rows old_row__) o
                  FULL JOIN (SELECT row_number() OVER () AS place, new_row__ AS image FROM new_rows new_row__) n
                         ON n.place = o.place
                 WHERE (o.image *<> n.image) IS NOT FALSE
                 ORDER BY o.place OFFSET 0) change;
    ELSE
        INSERT INTO cdc_triggers.event_log
            (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, old, new, session, trace)
        SELECT bucket, change.seq, cdc_triggers.event_id(id_time, change.seq),
               TG_ARGV[0]::integer, pg_current_xact_id(), moment, 'UPDATE', TG_TABLE_SCHEMA, TG_TABLE_NAME,
               row_to_json(change.old_image), row_to_json(change.new_image),
               writer_session, writer_trace
          FROM (SELECT nextval('cdc_triggers.event_seq') AS seq, old_row__ AS old_image, new_row__ AS new_image
                  FROM old_rows old_row__, new_rows new_row__
                 WHERE old_row__ *<> new_row__ OFFSET 0) change;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION cdc_triggers.capture_update() IS 'AFTER UPDATE, once per statement; rows that did not change are left out.';

-- TG_ARGV[1] says under which name: 'own' or 'attached', or 'root' for a partition of the captured table, or
-- 'parent' if the captured table is itself a partition: only that one needs a query.
CREATE OR REPLACE FUNCTION cdc_triggers.capture_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
DECLARE
    named name[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT (OLD *<> NEW) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_ARGV[1] IN ('own', 'attached') THEN
        named := ARRAY[TG_TABLE_SCHEMA, TG_TABLE_NAME];
    ELSIF TG_ARGV[1] = 'root' THEN
        named := parse_ident(pg_partition_root(TG_RELID)::text);
    ELSE
        SELECT parse_ident(relid::text) INTO named
          FROM cdc_triggers.captured_table WHERE id = TG_ARGV[0]::integer;
    END IF;
    INSERT INTO cdc_triggers.event_log
        (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, old, new, session, trace,
         trigger_name)
    VALUES
        (cdc_triggers.event_bucket(clock_timestamp()), nextval('cdc_triggers.event_seq'),
         cdc_triggers.new_event_id(), TG_ARGV[0]::integer, pg_current_xact_id(), clock_timestamp(),
         TG_OP, named[1], named[2],
         CASE WHEN TG_OP <> 'INSERT' THEN row_to_json(OLD) END,
         CASE WHEN TG_OP <> 'DELETE' THEN row_to_json(NEW) END,
         cdc_triggers.writer_session(), cdc_triggers.writer_trace(), TG_ARGV[2]);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION cdc_triggers.capture_row() IS 'AFTER, once per row: partitioned and inherited tables, replicated rows, tables whose own row triggers may write to them again.';
