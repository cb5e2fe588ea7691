-- The next rows that Hasura owes to these triggers, in the order in which they were made. created_at is
-- the start of the transaction; within one, cmin counts its commands. created_at has no zone: it is read
-- in the session's, as Hasura does. json, not jsonb: the text stays what it is.
WITH owed AS (
    SELECT coalesce(e.created_at, 'epoch') AS at, e.cmin::text::bigint AS command, e.ctid AS place, e.*
      FROM hdb_catalog.event_log e
     WHERE NOT e.delivered AND NOT e.error AND NOT e.archived AND e.trigger_name = ANY (%(names)s)
       AND (coalesce(e.created_at, 'epoch'), e.cmin::text::bigint, e.ctid)
           > (%(after_at)s::timestamp, %(after_command)s::bigint, %(after_place)s::tid)
     ORDER BY 1, 2, 3
     LIMIT %(rows)s
       FOR UPDATE
), sized AS (
    SELECT o.*, sum(octet_length(o.payload::text)) OVER (ORDER BY o.at, o.command, o.place)
                - octet_length(o.payload::text) AS bytes_before
      FROM owed o
)
SELECT at::text, command::text, place::text, id::text, trigger_name, schema_name, table_name, payload::json ->> 'op',
       to_char(at::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), tries,
       greatest(0, extract(epoch FROM next_retry_at::timestamptz - clock_timestamp()))::float8,
       nullif((payload::json -> 'data' -> 'old')::text, 'null'),
       nullif((payload::json -> 'data' -> 'new')::text, 'null'),
       nullif((payload::json -> 'session_variables')::text, 'null'),
       nullif((payload::json -> 'trace_context')::text, 'null')
  FROM sized
 WHERE bytes_before < %(bytes)s
 ORDER BY at, command, place
