-- Its parked and dead deliveries are archived from now on.
WITH removed AS (
    DELETE FROM cdc_triggers.trigger WHERE id = %(id)s RETURNING id, name
)
INSERT INTO cdc_triggers.removed_trigger (id, name) SELECT id, name FROM removed
