-- The next of each chain becomes its head; a chain of which nothing is left is returned.
WITH gone AS (
    SELECT DISTINCT trigger_id, key
      FROM unnest(%(trigger_ids)s::bigint[], %(keys)s::text[]) g (trigger_id, key)
), next AS (
    SELECT g.trigger_id, g.key AS chain, n.*
      FROM gone g
      LEFT JOIN LATERAL (
          SELECT u.* FROM (
              (SELECT d.id, d.key AS own_key, d.old_key, d.commit_lsn, d.position
                 FROM cdc_triggers.delivery d
                WHERE d.trigger_id = g.trigger_id AND d.status = 'parked' AND d.key = g.key
                ORDER BY d.commit_lsn, d.position LIMIT 1)
              UNION ALL
              (SELECT d.id, d.key, d.old_key, d.commit_lsn, d.position
                 FROM cdc_triggers.delivery d
                WHERE d.trigger_id = g.trigger_id AND d.status = 'parked' AND d.old_key = g.key
                ORDER BY d.commit_lsn, d.position LIMIT 1)) u
          ORDER BY u.commit_lsn, u.position LIMIT 1) n ON true
), promoted AS (
    UPDATE cdc_triggers.delivery d SET due_at = now()
      FROM next n
     WHERE d.id = n.id AND d.due_at IS NULL
       AND (n.old_key IS NULL OR NOT EXISTS (
            SELECT FROM cdc_triggers.delivery e
             WHERE e.trigger_id = d.trigger_id AND e.status = 'parked'
               AND (e.key IN (d.key, d.old_key) OR e.old_key IN (d.key, d.old_key))
               AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position)))
)
SELECT trigger_id, chain FROM next WHERE id IS NULL;
