-- The first of every chain gets a time, all others wait.
UPDATE cdc_triggers.delivery d
   SET due_at = CASE WHEN c.first THEN clock_timestamp() END
  FROM (SELECT n.id, bool_and(n.number = 1) AS first
          FROM (SELECT p.id, row_number() OVER (
                           PARTITION BY p.trigger_id, k.chain ORDER BY p.commit_lsn, p.position) AS number
                  FROM cdc_triggers.delivery p
                 CROSS JOIN LATERAL (VALUES (p.key), (p.old_key)) k (chain)
                 WHERE p.status = 'parked' AND k.chain IS NOT NULL) n
         GROUP BY n.id) c
 WHERE d.id = c.id AND (d.due_at IS NOT NULL) <> c.first;
