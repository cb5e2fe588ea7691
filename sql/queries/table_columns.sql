-- The columns of some tables: numbers, names, which type a condition sees of each (by how to_json writes
-- it), and those that hold what core/columns.py names. Of an extension's type to_json uses a cast to json if
-- there is one: PostGIS has it for geometry since 3.0, for geography not. Types are told once, not per column.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT attrelid, attnum, attname::text AS name, atttypid
      FROM pg_catalog.pg_attribute
     WHERE attrelid = ANY (%(oids)s::oid[]) AND attnum > 0 AND NOT attisdropped
), below (type, oid, element) AS (
    SELECT DISTINCT atttypid, atttypid, false FROM asked
    UNION ALL
    SELECT b.type, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END, b.element OR t.typtype <> 'd'
      FROM below b JOIN pg_catalog.pg_type t ON t.oid = b.oid
     WHERE t.typtype = 'd' OR (t.typlen = -1 AND t.typelem <> 0)
), types AS (
    SELECT b.type,
           max(CASE WHEN t.oid IN (20, 21, 23) THEN 'int' WHEN t.oid IN (700, 701, 1700) THEN 'double'
                    WHEN t.oid = 16 THEN 'bool' WHEN t.typtype = 'c' THEN 'map'
                    WHEN t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1 THEN 'list'
                    WHEN t.oid IN (114, 3802) OR (t.oid >= 16384 AND t.typtype = 'b') THEN 'dyn'
                    ELSE 'string' END) FILTER (WHERE NOT b.element AND t.typtype <> 'd') AS seen,
           bool_or(t.oid IN (700, 701, 1700)) AS doubles,
           bool_or(NOT b.element AND t.oid IN (20, 701, 1700)) AS large,
           bool_or(NOT b.element AND t.typtype = 'b' AND t.typname IN ('geometry', 'geography')
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_cast c
                                    WHERE c.castsource = t.oid AND c.casttarget = 114)) AS places
      FROM below b JOIN pg_catalog.pg_type t ON t.oid = b.oid
     GROUP BY b.type
)
SELECT a.attrelid::bigint,
       array_agg(a.attnum ORDER BY a.attnum), array_agg(a.name ORDER BY a.attnum),
       array_agg(t.seen ORDER BY a.attnum),
       coalesce(array_agg(a.attnum) FILTER (WHERE t.doubles), '{}'),
       coalesce(array_agg(a.attnum) FILTER (WHERE t.large), '{}'),
       coalesce(array_agg(a.attnum) FILTER (WHERE t.places), '{}')
  FROM asked a JOIN types t ON t.type = a.atttypid
 GROUP BY a.attrelid;
