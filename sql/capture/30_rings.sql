-- Retention. A row is kept for at least buckets - 2 periods, and until the stream has settled it: if the
-- slot is lost it is sent from here. Then its whole bucket is truncated. A stream without a slot that has not
-- been heard of for as long is gone: its slot was dropped, or the row came with a dump.
CREATE OR REPLACE FUNCTION cdc_triggers.ring_bucket_is_stale(ring text, bucket smallint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    horizon timestamptz;
BEGIN
    SELECT clock_timestamp() - (r.buckets - 2) * r.period INTO STRICT horizon
      FROM cdc_triggers.ring r WHERE r.name = ring_bucket_is_stale.ring;
    IF ring = 'event_log' THEN
        RETURN EXISTS (SELECT FROM cdc_triggers.event_log l WHERE l.bucket = ring_bucket_is_stale.bucket)
           AND NOT EXISTS (SELECT FROM cdc_triggers.event_log l
                            WHERE l.bucket = ring_bucket_is_stale.bucket AND l.created_at >= horizon)
           AND NOT EXISTS (SELECT FROM cdc_triggers.event_log l JOIN cdc_triggers.stream s
                                    ON pg_visible_in_snapshot(l.xid, s.settled_snapshot) IS NOT TRUE
                            WHERE l.bucket = ring_bucket_is_stale.bucket AND s.holder IS NOT NULL
                              AND (s.heartbeat_at >= horizon
                                   OR EXISTS (SELECT FROM pg_replication_slots r WHERE r.slot_name = s.slot_name
                                                 AND r.database = current_database())));
    END IF;
    RETURN EXISTS (SELECT FROM cdc_triggers.attempt a WHERE a.bucket = ring_bucket_is_stale.bucket)
       AND NOT EXISTS (SELECT FROM cdc_triggers.attempt a
                        WHERE a.bucket = ring_bucket_is_stale.bucket AND a.started_at >= horizon);
END
$$;
COMMENT ON FUNCTION cdc_triggers.ring_bucket_is_stale(text, smallint) IS 'True if a bucket has rows and all are settled and older than the retention; reads at most the bucket.';
REVOKE EXECUTE ON FUNCTION cdc_triggers.ring_bucket_is_stale(text, smallint) FROM PUBLIC;
