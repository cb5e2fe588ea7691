-- Behind which place what is imported now has to stand.
SELECT coalesce(max(position), 0) FROM cdc_triggers.delivery WHERE commit_lsn = %(place)s::pg_lsn
