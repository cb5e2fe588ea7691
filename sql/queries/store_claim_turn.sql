-- One claimer per trigger at a time: else a second one could skip a locked head and take its followers.
SELECT id FROM cdc_triggers.trigger WHERE id = %(trigger_id)s AND NOT paused FOR NO KEY UPDATE SKIP LOCKED;
