-- Seconds until the next parked delivery of the trigger may be attempted; NULL: none.
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::double precision
  FROM cdc_triggers.delivery
 WHERE trigger_id = %(trigger_id)s AND status = 'parked' AND due_at IS NOT NULL
   AND (claimed_until IS NULL OR claimed_until < clock_timestamp());
