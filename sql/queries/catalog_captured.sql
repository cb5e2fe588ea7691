SELECT id, relid::oid::bigint, level, key_attnums FROM cdc_triggers.captured_table ORDER BY id
