SELECT count(*) FROM cdc_triggers.event_log
