-- Buckets whose updates or deletes a publication of the user's sends, and which have nothing to name a row by.
SELECT c.relname::text
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_class log ON log.oid = i.inhparent
 WHERE i.inhparent IN (pg_catalog.to_regclass('cdc_triggers.event_log'), pg_catalog.to_regclass('cdc_triggers.attempt'))
   AND c.relreplident = 'd'
   AND EXISTS (SELECT FROM pg_catalog.pg_publication p
                WHERE (p.pubupdate OR p.pubdelete) AND p.pubname <> %(own)s
                  AND (p.puballtables
                       OR EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
                                   WHERE t.pubname = p.pubname AND t.schemaname = 'cdc_triggers'
                                     AND t.tablename IN (c.relname, log.relname))))
 ORDER BY c.relname
