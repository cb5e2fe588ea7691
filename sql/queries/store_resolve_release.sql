-- Claimed, but not attempted: given back as it was.
UPDATE cdc_triggers.delivery SET claimed_until = NULL, claimed_by = NULL WHERE id = ANY (%(ids)s);
