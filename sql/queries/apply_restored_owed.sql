-- What is owed from another cluster's dump stands before all that is new, in the order it had. Apart from
-- apply_restored, for those who need it: with statistics of when the table was empty, PostgreSQL would read it once
-- for each of its rows, and before it knows that none is to be changed.
SET LOCAL enable_nestloop = off;
UPDATE cdc_triggers.delivery d SET commit_lsn = '0/0'::pg_lsn + n.number
  FROM (SELECT id, row_number() OVER (ORDER BY commit_lsn, position) AS number FROM cdc_triggers.delivery) n
 WHERE d.id = n.id;
SET LOCAL enable_nestloop TO DEFAULT
