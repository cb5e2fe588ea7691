-- Late: decoding looks at the catalogs as they were at each change, and the slot may still decode
-- changes of transactions from its catalog_xmin on; a publication must be older than all of these.
SELECT count(p.oid) > 0 AS "exists",
    coalesce(bool_or(age(p.xmin) <= age(s.catalog_xmin)), false) AS late
FROM pg_catalog.pg_publication p
LEFT JOIN pg_catalog.pg_replication_slots s
    ON s.slot_name = %(slot)s AND s.database = current_database()
WHERE p.pubname = %(publication)s
