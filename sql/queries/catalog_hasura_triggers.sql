-- Capture triggers of Hasura's that are on, without the clones on partitions.
SELECT t.tgrelid::bigint, t.tgname::text
  FROM pg_catalog.pg_trigger t
 WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D'
   AND t.tgname ~ '^notify_hasura_.+_(INSERT|UPDATE|DELETE)$'
 ORDER BY t.tgrelid, t.tgname
