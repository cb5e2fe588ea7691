-- Event triggers for which Hasura still writes its log: their capture triggers are on.
SELECT DISTINCT substring(t.tgname FROM '^notify_hasura_(.+)_(?:INSERT|UPDATE|DELETE)$')
  FROM pg_catalog.pg_trigger t
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
   AND t.tgname ~ '^notify_hasura_.+_(INSERT|UPDATE|DELETE)$'
