-- What each trigger owes, counted by index and up to `most` + 1 of each kind: the size of a backlog costs nothing.
SELECT t.name, t.paused,
    chained.amount + CASE WHEN chained.amount > %(most)s THEN 0 ELSE loose.amount END AS parked,
    dead.amount AS dead, oldest.at AS oldest_at,
    coalesce(failed.error, died.error) AS last_error
FROM cdc_triggers.trigger t
CROSS JOIN LATERAL (
    SELECT count(*) AS amount FROM (
        SELECT FROM cdc_triggers.delivery d
        WHERE d.trigger_id = t.id AND d.status = 'parked' AND d.key IS NOT NULL LIMIT %(most)s + 1) p
) chained
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE p.key IS NULL) AS amount FROM (
        SELECT d.key FROM cdc_triggers.delivery d
        WHERE d.trigger_id = t.id AND d.status = 'parked' AND d.due_at IS NOT NULL
        ORDER BY d.due_at LIMIT %(most)s + 1) p
) loose
CROSS JOIN LATERAL (
    SELECT count(*) AS amount FROM (
        SELECT FROM cdc_triggers.delivery d
        WHERE d.trigger_id = t.id AND d.status = 'dead' LIMIT %(most)s + 1) p
) dead
LEFT JOIN LATERAL (
    SELECT min(p.created_at) AS at FROM (
        SELECT d.created_at FROM cdc_triggers.delivery d
        WHERE d.trigger_id = t.id AND d.status = 'parked' AND d.due_at IS NOT NULL
        ORDER BY d.due_at LIMIT 1000) p
) oldest ON true
LEFT JOIN LATERAL (
    SELECT d.last_error AS error FROM cdc_triggers.delivery d
    WHERE d.trigger_id = t.id AND d.status = 'parked' AND d.due_at IS NOT NULL AND d.last_error IS NOT NULL
    ORDER BY d.due_at LIMIT 1
) failed ON true
LEFT JOIN LATERAL (
    SELECT d.last_error AS error FROM cdc_triggers.delivery d
    WHERE d.trigger_id = t.id AND d.status = 'dead' ORDER BY d.dead_at DESC LIMIT 1
) died ON true
ORDER BY t.name
