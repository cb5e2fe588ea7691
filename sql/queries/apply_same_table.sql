-- Is the table still called what it was when it was looked up? Asked under its lock.
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = %(oid)s::oid AND n.nspname = %(schema)s AND c.relname = %(name)s)
