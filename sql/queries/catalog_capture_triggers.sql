-- Capture triggers that are there, without the clones on partitions. tgargs ends every argument, the last one
-- too, with a zero byte, which is four characters here.
SELECT t.tgrelid::bigint, t.tgname::text, p.proname::text,
       pg_catalog.string_to_array(pg_catalog.left(pg_catalog.encode(t.tgargs, 'escape'), -4), E'\\000'),
       t.tgenabled::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND t.tgparentid = 0
   AND p.pronamespace = pg_catalog.to_regnamespace('cdc_triggers')
 ORDER BY t.tgrelid, t.tgname
