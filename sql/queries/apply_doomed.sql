-- Goes within the same transaction, and takes the triggers on it along.
CREATE FUNCTION cdc_triggers.capture_doomed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
