-- What the retention takes: from when on it is kept, and the triggers, with true for those that were removed
-- before that. A NULL: all is kept.
WITH horizon AS (
    SELECT clock_timestamp() - keep AS at FROM cdc_triggers.retention WHERE name = 'dead'
)
SELECT h.at, t.id, false FROM horizon h CROSS JOIN cdc_triggers.trigger t WHERE h.at IS NOT NULL
 UNION ALL
SELECT h.at, r.id, true FROM horizon h JOIN cdc_triggers.removed_trigger r ON r.removed_at < h.at
