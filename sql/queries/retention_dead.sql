-- How long dead and archived deliveries are kept; NULL: for ever.
UPDATE cdc_triggers.retention SET keep = make_interval(secs => %(dead_s)s) WHERE name = 'dead'
