-- Deliveries whose trigger was dropped: kept, never delivered.
SELECT count(*) FROM cdc_triggers.delivery d
WHERE NOT EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.id = d.trigger_id)
