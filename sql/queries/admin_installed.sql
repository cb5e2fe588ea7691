-- Is the schema there? Asks the catalog, which every role may read.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'cdc_triggers' AND c.relname = 'stream'
)
