DELETE FROM cdc_triggers.trigger WHERE id = %(id)s
