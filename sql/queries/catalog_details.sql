-- What planning must know of some tables beside their columns. The key is the primary key, else the replica
-- identity index, without the columns that an index only includes (indkey counts from 0). Hasura's row
-- triggers write to its log and never to the table: they do not count as its own.
SELECT c.oid::bigint,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attgenerated = 'v' AND NOT a.attisdropped ORDER BY a.attnum),
       coalesce((SELECT (i.indkey::smallint[])[0:i.indnkeyatts - 1] FROM pg_catalog.pg_index i
                  WHERE i.indrelid = c.oid AND i.indisvalid
                    AND (i.indisprimary OR (c.relreplident = 'i' AND i.indisreplident))
                  ORDER BY i.indisprimary DESC LIMIT 1), '{}'),
       c.relispartition,
       EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
                 JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                  AND t.tgtype & 1 = 1 AND t.tgtype & 66 = 0
                  AND n.nspname NOT IN ('cdc_triggers', 'hdb_catalog', 'hdb_views')),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       pg_catalog.has_table_privilege(c.oid, 'TRIGGER')
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(c.oid) p
                            WHERE NOT pg_catalog.has_table_privilege(p.relid, 'TRIGGER')),
       pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY (%(oids)s::oid[])
