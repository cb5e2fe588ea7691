-- Owe dead deliveries again, tries from 0. Those of one key keep their order: one that belongs behind
-- what is parked joins the end of the chain, the first of a new chain is due at once. One that would
-- have to cut in before something parked, perhaps in flight, goes alone: its turn is long over.
WITH chosen AS MATERIALIZED (
    SELECT id, trigger_id, key, old_key, commit_lsn, position
    FROM cdc_triggers.delivery WHERE id = ANY (%(ids)s)
), link AS MATERIALIZED (
    SELECT c.id, c.trigger_id, c.key AS chain, c.commit_lsn, c.position
    FROM chosen c WHERE c.key IS NOT NULL
    UNION
    SELECT c.id, c.trigger_id, c.old_key, c.commit_lsn, c.position
    FROM chosen c WHERE c.old_key IS NOT NULL
), tail AS MATERIALIZED (
    SELECT g.trigger_id, g.chain, t.commit_lsn, t.position
    FROM (SELECT DISTINCT trigger_id, chain FROM link) g
    CROSS JOIN LATERAL (
        SELECT u.commit_lsn, u.position FROM (
            (SELECT d.commit_lsn, d.position FROM cdc_triggers.delivery d
             WHERE d.trigger_id = g.trigger_id AND d.status = 'parked' AND d.key = g.chain
             ORDER BY d.commit_lsn DESC, d.position DESC LIMIT 1)
            UNION ALL
            (SELECT d.commit_lsn, d.position FROM cdc_triggers.delivery d
             WHERE d.trigger_id = g.trigger_id AND d.status = 'parked' AND d.old_key = g.chain
             ORDER BY d.commit_lsn DESC, d.position DESC LIMIT 1)) u
        ORDER BY u.commit_lsn DESC, u.position DESC LIMIT 1
    ) t
), alone AS MATERIALIZED (
    SELECT DISTINCT l.id FROM link l JOIN tail t USING (trigger_id, chain)
    WHERE (t.commit_lsn, t.position) > (l.commit_lsn, l.position)
), placed AS (
    SELECT l.id, t.chain IS NOT NULL OR row_number() OVER (
        PARTITION BY l.trigger_id, l.chain ORDER BY l.commit_lsn, l.position) > 1 AS behind
    FROM link l LEFT JOIN tail t USING (trigger_id, chain)
    WHERE l.id NOT IN (SELECT id FROM alone)
), verdict AS (
    SELECT c.id, a.id IS NOT NULL AS alone, coalesce(bool_or(p.behind), false) AS behind
    FROM chosen c LEFT JOIN alone a USING (id) LEFT JOIN placed p USING (id)
    GROUP BY c.id, a.id
)
UPDATE cdc_triggers.delivery d
SET status = 'parked', reason = 'redelivered', tries = 0, claimed_until = NULL, claimed_by = NULL,
    dead_at = NULL,
    due_at = CASE WHEN NOT v.behind THEN now() END,
    key = CASE WHEN NOT v.alone THEN d.key END,
    old_key = CASE WHEN NOT v.alone THEN d.old_key END
FROM verdict v
WHERE d.id = v.id
