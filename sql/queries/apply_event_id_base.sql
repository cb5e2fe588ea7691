-- From where the second half of this database's event ids is counted: the variant's bits, and 61 that come of the
-- moment of installation and the database's oid, so that databases made of one template differ too.
SELECT (-9223372036854775808)::bigint
    | (hashint8extended(floor(date_part('epoch', m.applied_at) * 1000000)::bigint, d.oid::bigint) & 2305843009213693951)
  FROM cdc_triggers.migration m, pg_catalog.pg_database d
 WHERE m.number = 1 AND d.datname = current_database()
