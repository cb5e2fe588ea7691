-- Claim heads that are due, each with some of its followers; a chain is never claimed with a gap. Of one
-- that failed before only itself: it will most likely fail again, and all would be written twice for nothing.
WITH heads AS (
    SELECT id, key, old_key, commit_lsn, position, tries
      FROM cdc_triggers.delivery
     WHERE trigger_id = %(trigger_id)s AND status = 'parked' AND due_at <= clock_timestamp()
       AND bytes <= %(max_row_bytes)s
       AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
     ORDER BY due_at, commit_lsn, position
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
), share AS (
    SELECT greatest(0, %(limit)s / greatest(1, count(*)) - 1) AS followers FROM heads
), run AS (
    SELECT id, key, commit_lsn, position FROM heads
     UNION ALL
    SELECT f.id, h.key, f.commit_lsn, f.position
      FROM heads h CROSS JOIN share s
     CROSS JOIN LATERAL (
          SELECT d.id, d.commit_lsn, d.position
            FROM cdc_triggers.delivery d
           WHERE h.key IS NOT NULL AND h.old_key IS NULL AND h.tries = 0
             AND d.trigger_id = %(trigger_id)s AND d.status = 'parked' AND d.key = h.key
             AND (d.commit_lsn, d.position) > (h.commit_lsn, h.position)
             -- one that stands in two chains ends the run: its other chain may be longer
             AND NOT EXISTS (
                 SELECT FROM cdc_triggers.delivery x
                  WHERE x.trigger_id = %(trigger_id)s AND x.status = 'parked'
                    AND x.old_key IS NOT NULL AND (x.key = h.key OR x.old_key = h.key)
                    AND (x.commit_lsn, x.position) <= (d.commit_lsn, d.position))
           ORDER BY d.commit_lsn, d.position
           LIMIT s.followers) f
), sized AS (
    SELECT r.id, sum(d.bytes) OVER (ORDER BY r.commit_lsn, r.position) - d.bytes AS bytes_before,
           max(d.bytes) OVER (PARTITION BY r.key ORDER BY r.commit_lsn, r.position) AS largest
      FROM run r JOIN cdc_triggers.delivery d USING (id)
)
UPDATE cdc_triggers.delivery d
   SET claimed_until = clock_timestamp() + make_interval(secs => %(hold_s)s),
       claimed_by = %(holder)s
  FROM sized s
 WHERE d.id = s.id AND s.bytes_before < %(max_bytes)s AND s.largest <= %(max_row_bytes)s
RETURNING d.id, d.revision, d.key, d.old_key, d.tries, d.event_id::text, d.table_id, d.schema_name,
          d.table_name, d.op, d.created_at::text, d.xid::text, d.old::text, d.new::text, d.session,
          d.trace, d.trigger_name, d.commit_lsn::text, d.position;
