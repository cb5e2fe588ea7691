-- Retries are used up: kept for a person to see.
UPDATE cdc_triggers.delivery d
   SET status = 'dead', dead_at = clock_timestamp(), due_at = NULL, claimed_until = NULL,
       claimed_by = NULL, tries = r.tries, last_error = r.error
  FROM unnest(%(ids)s::bigint[], %(tries)s::integer[], %(errors)s::text[]) r (id, tries, error)
 WHERE d.id = r.id
RETURNING d.trigger_id, d.key, d.old_key;
