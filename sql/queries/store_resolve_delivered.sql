-- A parked delivery reached its 2xx: its attempt tells the rest.
DELETE FROM cdc_triggers.delivery WHERE id = ANY (%(ids)s) RETURNING trigger_id, key, old_key;
