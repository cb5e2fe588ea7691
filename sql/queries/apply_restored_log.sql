-- Rows of another cluster's log are history. Apart from apply_restored, for those who need it: PostgreSQL looks
-- whether a table may be updated before it knows that no row will be.
UPDATE cdc_triggers.event_log SET xid = '3' WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
