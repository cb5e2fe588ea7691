-- A dump of another cluster was restored here: its transaction ids mean nothing in this one. Specs count from
-- now on, the log from before is history, and the stream begins anew; parked and dead deliveries stay. True: so it is.
WITH here AS (
    SELECT pg_current_snapshot() AS snapshot
), revisions AS (
    UPDATE cdc_triggers.trigger_revision SET applied_snapshot = here.snapshot FROM here
     WHERE pg_snapshot_xmax(applied_snapshot) > pg_snapshot_xmax(here.snapshot)
    RETURNING trigger_id
), restored AS (
    SELECT EXISTS (SELECT FROM revisions)
        OR EXISTS (SELECT FROM cdc_triggers.stream, here
                    WHERE pg_snapshot_xmax(settled_snapshot) > pg_snapshot_xmax(here.snapshot)
                       OR settled_lsn > pg_current_wal_insert_lsn()) AS so
), streams AS (
    UPDATE cdc_triggers.stream
       SET settled_lsn = NULL, settled_snapshot = here.snapshot, mark_lsn = NULL, mark_snapshot = NULL,
           timeline = NULL, published = NULL, recovering = false
      FROM here, restored WHERE restored.so
)
SELECT so FROM restored
