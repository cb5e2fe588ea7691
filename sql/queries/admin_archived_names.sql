-- Names of dropped triggers whose deliveries are still kept; walks the unique index by trigger.
WITH RECURSIVE owner AS (
    (SELECT trigger_id, trigger_name FROM cdc_triggers.delivery ORDER BY trigger_id LIMIT 1)
    UNION ALL
    SELECT d.trigger_id, d.trigger_name
    FROM owner o
    CROSS JOIN LATERAL (
        SELECT trigger_id, trigger_name FROM cdc_triggers.delivery
        WHERE trigger_id > o.trigger_id ORDER BY trigger_id LIMIT 1
    ) d
)
SELECT DISTINCT trigger_name FROM owner o
WHERE NOT EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.id = o.trigger_id)
