-- Is this a database that Hasura's event triggers live in?
SELECT to_regclass('hdb_catalog.event_log') IS NOT NULL
