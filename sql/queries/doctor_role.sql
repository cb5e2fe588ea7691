-- What this role may do. Services that give no REPLICATION attribute have a role to be a member of.
SELECT r.rolname::text AS name,
    r.rolsuper OR r.rolreplication OR EXISTS (
        SELECT FROM pg_catalog.pg_roles g
        WHERE g.rolname IN ('rds_replication', 'rds_superuser') AND pg_has_role(r.oid, g.oid, 'MEMBER')
    ) AS replication,
    has_database_privilege(current_database(), 'CREATE') OR EXISTS (
        SELECT FROM pg_catalog.pg_namespace n
        WHERE n.nspname = 'cdc_triggers' AND pg_has_role(n.nspowner, 'USAGE')
    ) AS "create",
    coalesce((
        SELECT pg_get_userbyid(n.nspowner)::text FROM pg_catalog.pg_namespace n
        WHERE n.nspname = 'cdc_triggers' AND NOT pg_has_role(n.nspowner, 'USAGE')
    ), '') AS schema_owner
FROM pg_catalog.pg_roles r
WHERE r.rolname = current_user
