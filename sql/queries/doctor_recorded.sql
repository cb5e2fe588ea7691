-- May this role read which slots are ours? No, too, where nothing was applied.
SELECT coalesce(has_schema_privilege(n.oid, 'USAGE')
        AND has_table_privilege(to_regclass('cdc_triggers.stream'), 'SELECT'), false) AS readable
FROM (SELECT to_regnamespace('cdc_triggers') AS oid) n
