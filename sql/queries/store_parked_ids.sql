-- Rows of the attempts in flight that were written down.
SELECT p.token, d.id
  FROM pg_temp.cdc_parking p
  JOIN cdc_triggers.delivery d USING (trigger_id, event_id)
 WHERE p.hold_s IS NOT NULL;
