-- Those of them that are still dead; nobody else changes them until the end of the transaction.
SELECT id FROM cdc_triggers.delivery
WHERE id = ANY (%(ids)s) AND status = 'dead' AND coalesce(dead_at, '-infinity') <= %(died_by)s
ORDER BY id
FOR UPDATE
