-- A chain whose head has no time would wait for ever: give it one. Looked for only where nothing at all
-- has a time, so that it costs next to nothing with a million parked deliveries.
UPDATE cdc_triggers.delivery d SET due_at = clock_timestamp()
  FROM cdc_triggers.trigger t
 WHERE NOT EXISTS (
       SELECT FROM cdc_triggers.delivery x
        WHERE x.trigger_id = t.id AND x.status = 'parked' AND x.due_at IS NOT NULL)
   AND d.trigger_id = t.id AND d.status = 'parked' AND d.due_at IS NULL
   AND NOT EXISTS (
       SELECT FROM cdc_triggers.delivery e
        WHERE e.trigger_id = d.trigger_id AND e.status = 'parked' AND e.key = d.key
          AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position))
   AND NOT EXISTS (
       SELECT FROM cdc_triggers.delivery e
        WHERE e.trigger_id = d.trigger_id AND e.status = 'parked' AND e.key = d.old_key
          AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position))
   AND NOT EXISTS (
       SELECT FROM cdc_triggers.delivery e
        WHERE e.trigger_id = d.trigger_id AND e.status = 'parked' AND e.old_key = d.key
          AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position))
   AND NOT EXISTS (
       SELECT FROM cdc_triggers.delivery e
        WHERE e.trigger_id = d.trigger_id AND e.status = 'parked' AND e.old_key = d.old_key
          AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position));
