-- Keep every stream from writing until this commits: what joins a chain of parked deliveries must see
-- its end, and the stream must see what joined before it promotes the next. In one order, wherever the
-- rows are: else two of these could wait for each other.
SELECT FROM cdc_triggers.stream ORDER BY slot_name FOR NO KEY UPDATE
