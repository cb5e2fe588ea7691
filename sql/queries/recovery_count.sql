-- Count what was parked; no row means that another stream has taken over.
UPDATE cdc_triggers.stream SET recovered = recovered + %(count)s, heartbeat_at = clock_timestamp()
 WHERE slot_name = %(slot)s AND holder = %(holder)s
RETURNING recovered;
