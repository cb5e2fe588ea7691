-- Every relation a trigger file could name, and why not, if not.
SELECT c.oid::bigint, n.nspname, c.relname,
       CASE WHEN n.nspname IN ('pg_catalog', 'information_schema') THEN 'system'
            WHEN n.nspname = 'cdc_triggers' THEN 'own'
            WHEN c.relpersistence = 't' THEN 'temporary'
            WHEN c.relkind = 'r' THEN 'ordinary'
            WHEN c.relkind = 'p' THEN 'partitioned'
            WHEN c.relkind = 'v' THEN 'view'
            WHEN c.relkind = 'm' THEN 'materialized view'
            WHEN c.relkind = 'f' THEN 'foreign table'
            WHEN c.relkind = 'S' THEN 'sequence' END
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_toast'
