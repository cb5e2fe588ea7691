-- A parked delivery failed again: due later. One that an earlier one of its keys has come before in
-- the meantime waits behind it.
UPDATE cdc_triggers.delivery d
   SET due_at = CASE WHEN NOT EXISTS (
                         SELECT FROM cdc_triggers.delivery e
                          WHERE e.trigger_id = d.trigger_id AND e.status = 'parked'
                            AND e.key IN (d.key, d.old_key)
                            AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position))
                      AND NOT EXISTS (
                         SELECT FROM cdc_triggers.delivery e
                          WHERE e.trigger_id = d.trigger_id AND e.status = 'parked'
                            AND e.old_key IN (d.key, d.old_key)
                            AND (e.commit_lsn, e.position) < (d.commit_lsn, d.position))
                     THEN now() + make_interval(secs => r.delay_s) END,
       claimed_until = NULL, claimed_by = NULL, tries = r.tries, last_error = r.error,
       reason = 'failed'
  FROM unnest(%(ids)s::bigint[], %(tries)s::integer[], %(delays)s::double precision[],
              %(errors)s::text[]) r (id, tries, delay_s, error)
 WHERE d.id = r.id;
