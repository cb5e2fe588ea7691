-- Old entries of the history, but for the last of each trigger's schedule, and removed triggers that have left
-- nothing behind.
WITH horizon AS (
    SELECT clock_timestamp() - keep AS at FROM cdc_triggers.retention WHERE name = 'dead'
), entries AS (
    DELETE FROM cdc_triggers.cleanup c USING horizon h
     WHERE c.started_at < h.at AND c.status <> 'running'
       AND NOT (c.scheduled_at IS NOT NULL
                AND EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.id = c.trigger_id)
                AND NOT EXISTS (SELECT FROM cdc_triggers.cleanup n
                                 WHERE n.trigger_id = c.trigger_id AND n.scheduled_at > c.scheduled_at))
)
DELETE FROM cdc_triggers.removed_trigger r USING horizon h
 WHERE r.removed_at < h.at
   AND NOT EXISTS (SELECT FROM cdc_triggers.delivery d WHERE d.trigger_id = r.id)
