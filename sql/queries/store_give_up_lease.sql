-- The stream ends: status need not wait for the lease to run out to know it, nor its claims.
WITH given_up AS (
    UPDATE cdc_triggers.stream s SET holder = NULL, backend_pid = NULL
     WHERE slot_name = %(slot)s AND generation = %(generation)s
    RETURNING slot_name
)
UPDATE cdc_triggers.delivery SET claimed_until = NULL, claimed_by = NULL
 WHERE claimed_by = %(holder)s AND EXISTS (SELECT FROM given_up);
