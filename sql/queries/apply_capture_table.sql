INSERT INTO cdc_triggers.captured_table (relid, level, key_attnums) VALUES (%(oid)s::oid, %(level)s, %(key)s::smallint[])
    ON CONFLICT (relid) DO UPDATE SET level = excluded.level, key_attnums = excluded.key_attnums
    RETURNING id
