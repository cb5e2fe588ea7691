-- PostgreSQL's clock was set back: what waits for a moment goes on waiting for that moment.
UPDATE cdc_triggers.delivery
   SET due_at = due_at - %(step)s, claimed_until = claimed_until - %(step)s
 WHERE status = 'parked' AND (due_at > clock_timestamp() OR claimed_until > clock_timestamp());
