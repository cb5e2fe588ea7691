-- The buckets of both rings. Rows are only ever inserted and truncated: nothing for autovacuum to do.
DO $$
DECLARE
    ring record;
    bucket integer;
BEGIN
    FOR ring IN SELECT name, buckets FROM cdc_triggers.ring LOOP
        FOR bucket IN 0 .. ring.buckets - 1 LOOP
            EXECUTE format(
                'CREATE TABLE IF NOT EXISTS cdc_triggers.%I PARTITION OF cdc_triggers.%I FOR VALUES IN (%s)'
                ' WITH (autovacuum_vacuum_insert_threshold = -1)',
                ring.name || '_' || bucket, ring.name, bucket);
        END LOOP;
    END LOOP;
END
$$
