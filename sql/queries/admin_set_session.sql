-- Session variables of what this transaction writes.
SELECT pg_catalog.set_config('hasura.user', %(session)s, true)
