-- Keep every stream from writing until this commits: what joins a chain of parked deliveries must see
-- its end, and the stream must see what joined before it promotes the next.
SELECT FROM cdc_triggers.stream FOR NO KEY UPDATE
