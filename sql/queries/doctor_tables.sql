-- The named tables, joined by name: to_regclass would fail where the role may not use the schema.
SELECT wanted.name, c.relkind::text AS kind,
    coalesce(has_table_privilege(c.oid, 'TRIGGER'), false)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(c.oid) p
                         WHERE NOT has_table_privilege(p.relid, 'TRIGGER')) AS trigger_right,
    CASE WHEN has_schema_privilege(n.oid, 'USAGE') THEN '' ELSE coalesce(quote_ident(n.nspname), '') END
        AS closed_schema
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS wanted (name, position)
CROSS JOIN LATERAL parse_ident(wanted.name) AS part
LEFT JOIN pg_catalog.pg_namespace n
    ON n.nspname = CASE WHEN cardinality(part) > 1 THEN part[1] ELSE 'public' END
LEFT JOIN pg_catalog.pg_class c
    ON c.relnamespace = n.oid AND c.relname = part[cardinality(part)]
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY wanted.position
