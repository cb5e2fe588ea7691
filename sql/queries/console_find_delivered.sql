-- The same among what was delivered: walks the attempt log's index on event_id. What an event holds is
-- looked up only if something in it is looked for; one that the log has no more does not fit then.
WITH keyed AS MATERIALIZED (
    SELECT c.id, array_agg(a.attname::text ORDER BY k.place) AS names
    FROM cdc_triggers.captured_table c
    CROSS JOIN LATERAL unnest(c.key_attnums) WITH ORDINALITY k (attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.relid AND a.attnum = k.attnum
    WHERE %(key)s::text IS NOT NULL
    GROUP BY c.id
), attempted AS MATERIALIZED (
    SELECT a.event_id AS id, a.outcome = 'delivered'
        AND (%(trigger)s::text IS NULL OR a.trigger_name = %(trigger)s) AS fits
    FROM cdc_triggers.attempt a
    WHERE a.event_id >= %(from_id)s::uuid AND a.event_id < %(before)s::uuid
    ORDER BY a.event_id DESC
    FETCH FIRST %(window)s ROWS WITH TIES
), seen AS MATERIALIZED (
    SELECT p.id, CASE WHEN NOT p.fits THEN false
        WHEN NOT %(within)s THEN true
        ELSE EXISTS (
            SELECT FROM cdc_triggers.event_log e
            WHERE e.id = p.id AND CASE
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
                ELSE true END) END AS fits
    FROM attempted p
)
SELECT count(*), min(id::text COLLATE "C"),
    (array_agg(DISTINCT id::text ORDER BY id::text DESC) FILTER (WHERE fits))[1:%(limit)s]
FROM seen
