-- What the slot sends: rows of the log, whatever the partition. Needs CREATE on the database only.
CREATE PUBLICATION {} FOR TABLE cdc_triggers.event_log
    WITH (publish = 'insert', publish_via_partition_root = true)
