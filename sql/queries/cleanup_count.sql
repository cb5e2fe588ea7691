-- What a clean-up of a trigger would delete: events and attempts.
SELECT (SELECT count(*) FROM cdc_triggers.delivery d
         WHERE d.trigger_id = %(trigger_id)s AND d.status = 'dead' AND d.dead_at < %(before)s
           AND d.commit_lsn < %(safe)s::pg_lsn
           AND (SELECT count(*) FROM cdc_triggers.event_log l, unnest(%(snapshots)s::pg_snapshot[]) s
                 WHERE l.id = d.event_id AND pg_visible_in_snapshot(l.xid, s) IS NOT TRUE) = 0)
     + (SELECT count(*) FROM cdc_triggers.event_log l
         WHERE %(settles)s AND l.table_id = %(table_id)s
           AND (l.trigger_name IS NULL AND l.created_at < %(log_before)s::timestamptz
                OR l.trigger_name = %(trigger_name)s AND l.created_at < %(before)s)
           AND NOT EXISTS (SELECT FROM unnest(%(snapshots)s::pg_snapshot[]) s
                            WHERE pg_visible_in_snapshot(l.xid, s) IS NOT TRUE)),
       (SELECT count(*) FROM cdc_triggers.attempt a
         WHERE %(attempts)s AND a.trigger_id = %(trigger_id)s AND a.started_at < %(before)s
           AND a.commit_lsn < %(safe)s::pg_lsn
           AND (SELECT count(*) FROM cdc_triggers.event_log l, unnest(%(snapshots)s::pg_snapshot[]) s
                 WHERE l.id = a.event_id AND pg_visible_in_snapshot(l.xid, s) IS NOT TRUE) = 0)
