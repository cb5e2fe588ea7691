-- For how many days the logs keep a row at least, and what the two logs and the deliveries take on disk, indexes and large values included.
SELECT (SELECT extract(epoch FROM min((buckets - 2) * period))::float8 / 86400 FROM cdc_triggers.ring),
       (SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_catalog.pg_inherits
         WHERE inhparent = 'cdc_triggers.event_log'::regclass),
       (SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_catalog.pg_inherits
         WHERE inhparent = 'cdc_triggers.attempt'::regclass),
       pg_total_relation_size('cdc_triggers.delivery')
