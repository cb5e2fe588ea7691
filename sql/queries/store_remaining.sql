-- Keys of what is parked for a trigger, up to a limit.
SELECT key, old_key FROM cdc_triggers.delivery
 WHERE trigger_id = %(trigger_id)s AND status = 'parked' LIMIT %(limit)s;
