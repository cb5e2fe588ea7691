-- The same among what is parked, dead or archived, by its copy of the event: walks the index on event_id.
WITH keyed AS MATERIALIZED (
    SELECT c.id, array_agg(a.attname::text ORDER BY k.place) AS names
    FROM cdc_triggers.captured_table c
    CROSS JOIN LATERAL unnest(c.key_attnums) WITH ORDINALITY k (attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.relid AND a.attnum = k.attnum
    WHERE %(key)s::text IS NOT NULL
    GROUP BY c.id
), seen AS MATERIALIZED (
    SELECT e.event_id AS id, CASE
        WHEN %(trigger)s::text IS NOT NULL AND e.trigger_name <> %(trigger)s THEN false
        WHEN %(status)s::text IS NOT NULL AND %(status)s <> CASE WHEN EXISTS (
            SELECT FROM cdc_triggers.trigger t WHERE t.id = e.trigger_id) THEN e.status ELSE 'archived' END THEN false
        WHEN %(op)s::text IS NOT NULL AND e.op <> %(op)s THEN false
        WHEN %(table)s::text IS NOT NULL AND e.table_name <> %(table)s THEN false
        WHEN %(schema)s::text IS NOT NULL AND e.schema_name <> %(schema)s THEN false
        WHEN e.created_at < coalesce(%(since)s::timestamptz, '-infinity') THEN false
        WHEN e.created_at >= coalesce(%(until)s::timestamptz, 'infinity') THEN false
        WHEN %(key)s::text IS NOT NULL AND strpos(coalesce(e.new, e.old)::text, %(key_part)s) = 0 THEN false
        WHEN %(key)s::text IS NOT NULL AND array_to_string(ARRAY(
            SELECT CASE json_typeof(coalesce(e.new, e.old)) WHEN 'object' THEN coalesce(e.new, e.old) ->> n.name END
            FROM keyed, unnest(keyed.names) n (name) WHERE keyed.id = e.table_id), ',') <> %(key)s THEN false
        WHEN %(text)s::text IS NOT NULL AND strpos(lower(coalesce(e.new::text, '')), %(text)s) = 0
            AND strpos(lower(coalesce(e.old::text, '')), %(text)s) = 0 THEN false
        ELSE true END AS fits
    FROM cdc_triggers.delivery e
    WHERE e.event_id >= %(from_id)s::uuid AND e.event_id < %(before)s::uuid
    ORDER BY e.event_id DESC
    FETCH FIRST %(window)s ROWS WITH TIES
)
SELECT count(*), min(id::text COLLATE "C"),
    (array_agg(DISTINCT id::text ORDER BY id::text DESC) FILTER (WHERE fits))[1:%(limit)s]
FROM seen
