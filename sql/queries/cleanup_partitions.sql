-- The buckets of a log and their pages.
SELECT c.relname, pg_relation_size(c.oid) / current_setting('block_size')::integer
  FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = pg_catalog.to_regclass('cdc_triggers.' || %(log)s)
 ORDER BY c.relname
