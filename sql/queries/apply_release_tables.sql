DELETE FROM cdc_triggers.captured_table c
 WHERE NOT EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.table_id = c.id)
