-- Buckets with rows of which all are older than their ring's retention, the oldest place first. Never the
-- current bucket or the one before it.
SELECT r.name, place.bucket, r.name || '_' || place.bucket
  FROM cdc_triggers.ring r
  CROSS JOIN generate_series(1, r.buckets - 2) AS ahead
  CROSS JOIN LATERAL (
      SELECT ((CASE r.name WHEN 'event_log' THEN cdc_triggers.event_bucket(clock_timestamp())
                           ELSE cdc_triggers.attempt_bucket(clock_timestamp()) END + ahead) % r.buckets)::smallint AS bucket
  ) AS place
 WHERE cdc_triggers.ring_bucket_is_stale(r.name, place.bucket)
 ORDER BY r.name DESC, ahead
