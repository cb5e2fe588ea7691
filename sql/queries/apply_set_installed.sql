INSERT INTO cdc_triggers.installed AS i (name, checksum) VALUES ('capture', %(checksum)s)
    ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, installed_at = clock_timestamp()
