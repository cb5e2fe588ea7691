-- A batch of the deliveries of a trigger that was removed.
DELETE FROM cdc_triggers.delivery
 WHERE id = ANY (ARRAY(
    SELECT d.id FROM cdc_triggers.delivery d
     WHERE d.trigger_id = %(trigger_id)s
       AND NOT EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.id = d.trigger_id)
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED))
