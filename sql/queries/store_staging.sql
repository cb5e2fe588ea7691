-- Where parked deliveries arrive by COPY before they take their place in their chains.
CREATE TEMPORARY TABLE IF NOT EXISTS cdc_parking (
    token bigint, trigger_id bigint, trigger_name text, revision integer, event_id uuid,
    status text, reason text, key text, old_key text, commit_lsn pg_lsn, position integer,
    tries integer, delay_s double precision, hold_s double precision, last_error text,
    bytes integer, table_id integer, xid xid8, created_at timestamptz, op text,
    schema_name text, table_name text, old json, new json, session text, trace text
) ON COMMIT DELETE ROWS;
