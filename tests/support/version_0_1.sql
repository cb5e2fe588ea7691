-- What apply of version 0.1.0 left in a database, on top of migration 0001: capture as it was then, and one
-- trigger on table counter. Never to be brought up to date: the upgrade from here is what is tested.
CREATE TABLE cdc_triggers.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO cdc_triggers.migration (number, name) VALUES (1, 'pre_schema');

DO $$
BEGIN
    FOR n IN 0 .. 7 LOOP
        EXECUTE format('CREATE TABLE cdc_triggers.event_log_%s PARTITION OF cdc_triggers.event_log FOR VALUES IN (%s)', n, n);
        EXECUTE format('CREATE TABLE cdc_triggers.attempt_%s PARTITION OF cdc_triggers.attempt FOR VALUES IN (%s)', n, n);
    END LOOP;
END
$$;

CREATE FUNCTION cdc_triggers.event_bucket(at timestamptz) RETURNS smallint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (floor(date_part('epoch', at) / 86400)::bigint % 8)::smallint;

CREATE FUNCTION cdc_triggers.attempt_bucket(at timestamptz) RETURNS smallint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (floor(date_part('epoch', at) / 86400)::bigint % 8)::smallint;

CREATE FUNCTION cdc_triggers.new_event_id() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing substring(int8send(
        floor(date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid;

CREATE FUNCTION cdc_triggers.event_id(seed uuid, seq bigint) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (left(seed::text, 19) || to_hex((-9223372036854775808)::bigint
        | ((uuid_hash_extended(seed, 0) & 2305843009213693951) + seq)))::uuid;

CREATE FUNCTION cdc_triggers.capture_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
#variable_conflict use_variable
DECLARE
    moment timestamptz := clock_timestamp();
    seed uuid := cdc_triggers.new_event_id();
BEGIN
    INSERT INTO cdc_triggers.event_log
        (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, new, session, trace)
    SELECT cdc_triggers.event_bucket(moment), change.seq, cdc_triggers.event_id(seed, change.seq),
           TG_ARGV[0]::integer, pg_current_xact_id(), moment, 'INSERT', TG_TABLE_SCHEMA, TG_TABLE_NAME,
           row_to_json(change.image),
           nullif(current_setting('hasura.user', true), ''),
           nullif(current_setting('hasura.tracecontext', true), '')
      FROM (SELECT nextval('cdc_triggers.event_seq') AS seq, new_row__ AS image
              FROM new_rows new_row__ OFFSET 0) change;
    RETURN NULL;
END
$$;

CREATE FUNCTION cdc_triggers.capture_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
#variable_conflict use_variable
DECLARE
    moment timestamptz := clock_timestamp();
    seed uuid := cdc_triggers.new_event_id();
BEGIN
    INSERT INTO cdc_triggers.event_log
        (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, old, new, session, trace)
    SELECT cdc_triggers.event_bucket(moment), change.seq, cdc_triggers.event_id(seed, change.seq),
           TG_ARGV[0]::integer, pg_current_xact_id(), moment, 'UPDATE', TG_TABLE_SCHEMA, TG_TABLE_NAME,
           row_to_json(change.old_image), row_to_json(change.new_image),
           nullif(current_setting('hasura.user', true), ''),
           nullif(current_setting('hasura.tracecontext', true), '')
      FROM (SELECT nextval('cdc_triggers.event_seq') AS seq, o.image AS old_image, n.image AS new_image
              FROM (SELECT row_number() OVER () AS place, old_row__ AS image FROM old_rows old_row__) o
              FULL JOIN (SELECT row_number() OVER () AS place, new_row__ AS image FROM new_rows new_row__) n
                     ON n.place = o.place
             WHERE (o.image *<> n.image) IS NOT FALSE OFFSET 0) change;
    RETURN NULL;
END
$$;

CREATE FUNCTION cdc_triggers.ring_bucket_is_stale(ring text, bucket smallint) RETURNS boolean
LANGUAGE sql STABLE RETURN false;

INSERT INTO cdc_triggers.installed (name, checksum) VALUES ('capture', 'of version 0.1.0');
CREATE PUBLICATION cdc_triggers FOR TABLE cdc_triggers.event_log WITH (publish = 'insert', publish_via_partition_root = true);

INSERT INTO cdc_triggers.captured_table (relid, level, key_attnums) VALUES ('counter', 'statement', '{1}');
INSERT INTO cdc_triggers.trigger (name, table_id, definition, ordering_attnums) VALUES ('counted', 1,
    '{"name":"counted","table":{"schema":"public","name":"counter"},"definition":{"insert":{"columns":"*","payload":"*"},"update":{"columns":"*","payload":"*"},"enable_manual":false},"webhook":"{{RECEIVER_URL}}","headers":[],"retry_conf":{"num_retries":0,"interval_sec":10,"timeout_sec":60,"backoff":"constant","max_interval_sec":3600,"jitter":true},"trigger_on_replication":false,"ordering":"key","ordering_key":[],"max_in_flight":64}',
    '{1}');
INSERT INTO cdc_triggers.trigger_revision (trigger_id, revision, definition, column_attnums)
    SELECT id, revision, definition, '{}' FROM cdc_triggers.trigger;
CREATE TRIGGER "00_cdc_triggers_insert_1" AFTER INSERT ON counter REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cdc_triggers.capture_insert('1');
CREATE TRIGGER "00_cdc_triggers_update_1" AFTER UPDATE ON counter REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cdc_triggers.capture_update('1');
