-- The same question again, now under the lock.
SELECT cdc_triggers.ring_bucket_is_stale(%(ring)s, %(bucket)s::smallint)
