-- Whoever has the lock knows that none runs: those that say so ended in the middle.
UPDATE cdc_triggers.cleanup SET status = 'interrupted', ended_at = clock_timestamp() WHERE status = 'running'
