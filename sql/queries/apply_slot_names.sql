SELECT slot_name FROM cdc_triggers.stream
