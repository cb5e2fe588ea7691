-- Write keys as capture would: Hasura's JSON may have numbers as text, and times in another zone. Of one
-- that is too long there is only a digest.
UPDATE pg_temp.cdc_parking p
   SET key = {key}, old_key = CASE WHEN p.old_key IS NOT NULL AND {old_key} <> {key} THEN {old_key} END
 WHERE p.trigger_id = %(trigger_id)s AND p.key IS NOT NULL
   AND p.key NOT LIKE '#%%' AND coalesce(p.old_key, '') NOT LIKE '#%%'
