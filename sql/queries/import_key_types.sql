-- Types of a trigger's ordering key, in its order.
SELECT array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY k.place)
  FROM cdc_triggers.trigger t
  JOIN cdc_triggers.captured_table c ON c.id = t.table_id
 CROSS JOIN LATERAL unnest(t.ordering_attnums) WITH ORDINALITY k (number, place)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.relid AND a.attnum = k.number
 WHERE t.id = %(trigger_id)s
