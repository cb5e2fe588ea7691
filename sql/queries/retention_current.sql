-- How long things are kept: the logs by the size of their buckets, dead deliveries by their age.
SELECT (SELECT extract(epoch FROM min(period))::bigint FROM cdc_triggers.ring),
       (SELECT extract(epoch FROM keep)::bigint FROM cdc_triggers.retention WHERE name = 'dead')
