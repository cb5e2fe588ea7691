-- No holder and generation 0: made by apply, not used by a stream yet.
INSERT INTO cdc_triggers.stream (slot_name) VALUES (%(name)s) ON CONFLICT (slot_name) DO NOTHING
