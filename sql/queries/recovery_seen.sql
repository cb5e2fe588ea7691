-- Do others see all that the new slot's snapshot sees? What waits for a synchronous standby is decoded, not seen.
SELECT pg_snapshot_xmax(s.now) >= pg_snapshot_xmax(%(snapshot)s::pg_snapshot)
       AND NOT EXISTS (SELECT FROM pg_snapshot_xip(s.now) x (id)
                        WHERE pg_visible_in_snapshot(x.id, %(snapshot)s::pg_snapshot))
  FROM (SELECT pg_current_snapshot() AS now) s;
