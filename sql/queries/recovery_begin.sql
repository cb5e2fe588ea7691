-- From here on every stream of the slot starts with a recovery, until one has come to its end.
UPDATE cdc_triggers.stream
   SET recovering = true, recovery_reason = %(reason)s, heartbeat_at = clock_timestamp()
 WHERE slot_name = %(slot)s AND holder = %(holder)s
RETURNING coalesce(settled_lsn, '0/0')::text, settled_snapshot::text;
