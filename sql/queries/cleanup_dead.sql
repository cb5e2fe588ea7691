-- A batch of a trigger's dead deliveries, the oldest first. One that somebody redelivers just now is left. If
-- its event is in the log and may still be read by a recovery, it says that it is not owed. (Counted, not
-- NOT EXISTS: else the plan might be a join with the whole log.)
DELETE FROM cdc_triggers.delivery
 WHERE id = ANY (ARRAY(
    SELECT d.id FROM cdc_triggers.delivery d
     WHERE d.trigger_id = %(trigger_id)s AND d.status = 'dead' AND d.dead_at < %(before)s
       AND d.commit_lsn < %(safe)s::pg_lsn
       AND (SELECT count(*) FROM cdc_triggers.event_log l, unnest(%(snapshots)s::pg_snapshot[]) s
             WHERE l.id = d.event_id AND pg_visible_in_snapshot(l.xid, s) IS NOT TRUE) = 0
     ORDER BY d.dead_at
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED))
