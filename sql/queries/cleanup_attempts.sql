-- A batch of one bucket's attempts for a trigger, in the order of their places. If its event is in the log
-- and may still be read by a recovery, an attempt says that it is not owed.
WITH gone AS (
    DELETE FROM {partition}
     WHERE ctid = ANY (ARRAY(
        SELECT a.ctid FROM {partition} a
         WHERE a.ctid > %(after)s::tid AND a.ctid < %(until)s::tid AND a.trigger_id = %(trigger_id)s
           AND a.started_at < %(before)s AND a.commit_lsn < %(safe)s::pg_lsn
           AND (SELECT count(*) FROM cdc_triggers.event_log l, unnest(%(snapshots)s::pg_snapshot[]) s
                 WHERE l.id = a.event_id AND pg_visible_in_snapshot(l.xid, s) IS NOT TRUE) = 0
         LIMIT %(limit)s))
    RETURNING ctid
)
SELECT count(*), max(ctid)::text FROM gone
