-- For how many days dead deliveries are kept; NULL: for ever.
SELECT extract(epoch FROM keep)::float8 / 86400 FROM cdc_triggers.retention WHERE name = 'dead'
