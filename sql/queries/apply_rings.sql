SELECT name, buckets, extract(epoch FROM period)::bigint FROM cdc_triggers.ring ORDER BY name
