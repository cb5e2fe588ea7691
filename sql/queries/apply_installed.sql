SELECT checksum FROM cdc_triggers.installed WHERE name = 'capture'
