-- A batch of one bucket's events, in the order of their places: those of a trigger's table which no trigger
-- of it holds, or which are meant for this trigger alone; and which every stream has settled.
WITH gone AS (
    DELETE FROM {partition}
     WHERE ctid = ANY (ARRAY(
        SELECT l.ctid FROM {partition} l
         WHERE l.ctid > %(after)s::tid AND l.ctid < %(until)s::tid AND l.table_id = %(table_id)s
           AND (l.trigger_name IS NULL AND l.created_at < %(log_before)s::timestamptz
                OR l.trigger_name = %(trigger_name)s AND l.created_at < %(before)s)
           AND NOT EXISTS (SELECT FROM unnest(%(snapshots)s::pg_snapshot[]) s
                            WHERE pg_visible_in_snapshot(l.xid, s) IS NOT TRUE)
         LIMIT %(limit)s))
    RETURNING ctid
)
SELECT count(*), max(ctid)::text FROM gone
