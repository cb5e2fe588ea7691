-- Park what was staged. Only the head of a chain gets a time: the rest waits behind it. A row that
-- comes before a head that is there already takes its place. One that has a row stands in no chain
-- anew: that row may be dead.
WITH links AS (
    SELECT p.token, p.trigger_id, k.key, p.commit_lsn, p.position
      FROM pg_temp.cdc_parking p
     CROSS JOIN LATERAL (VALUES (p.key), (p.old_key)) k (key)
     WHERE p.status = 'parked' AND k.key IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM cdc_triggers.delivery d
            WHERE d.trigger_id = p.trigger_id AND d.event_id = p.event_id)
), placed AS (
    SELECT l.token, l.trigger_id, l.key, l.commit_lsn, l.position,
           row_number() OVER (PARTITION BY l.trigger_id, l.key ORDER BY l.commit_lsn, l.position) = 1
           AND NOT EXISTS (
               SELECT FROM cdc_triggers.delivery d
                WHERE d.trigger_id = l.trigger_id AND d.status = 'parked' AND d.key = l.key
                  AND (d.commit_lsn, d.position) < (l.commit_lsn, l.position))
           AND NOT EXISTS (
               SELECT FROM cdc_triggers.delivery d
                WHERE d.trigger_id = l.trigger_id AND d.status = 'parked' AND d.old_key = l.key
                  AND (d.commit_lsn, d.position) < (l.commit_lsn, l.position)) AS first
      FROM links l
), heads AS (
    SELECT token FROM placed GROUP BY token HAVING bool_and(first)
), later AS (
    -- two look-ups, not an OR: each finds its place in its own index
    SELECT d.id
      FROM placed p
      JOIN cdc_triggers.delivery d ON d.trigger_id = p.trigger_id AND d.key = p.key
     WHERE p.first AND d.status = 'parked' AND d.due_at IS NOT NULL
       AND (d.commit_lsn, d.position) > (p.commit_lsn, p.position)
     UNION
    SELECT d.id
      FROM placed p
      JOIN cdc_triggers.delivery d ON d.trigger_id = p.trigger_id AND d.old_key = p.key
     WHERE p.first AND d.status = 'parked' AND d.due_at IS NOT NULL
       AND (d.commit_lsn, d.position) > (p.commit_lsn, p.position)
), demoted AS (
    UPDATE cdc_triggers.delivery d SET due_at = NULL FROM later WHERE d.id = later.id
)
INSERT INTO cdc_triggers.delivery
    (trigger_id, trigger_name, revision, event_id, status, reason, key, old_key, commit_lsn,
     position, tries, due_at, claimed_until, claimed_by, dead_at, last_error, bytes, table_id, xid,
     created_at, op, schema_name, table_name, old, new, session, trace)
SELECT p.trigger_id, p.trigger_name, p.revision, p.event_id, p.status, p.reason, p.key, p.old_key,
       p.commit_lsn, p.position, p.tries,
       CASE WHEN p.status = 'parked' AND (p.key IS NULL OR h.token IS NOT NULL)
            THEN now() + make_interval(secs => p.delay_s) END,
       clock_timestamp() + make_interval(secs => p.hold_s),
       CASE WHEN p.hold_s IS NOT NULL THEN %(holder)s::uuid END,
       CASE WHEN p.status = 'dead' THEN clock_timestamp() END,
       p.last_error, p.bytes, p.table_id, p.xid, p.created_at, p.op, p.schema_name, p.table_name,
       p.old, p.new, p.session, p.trace
  FROM pg_temp.cdc_parking p LEFT JOIN heads h USING (token)
 ORDER BY p.commit_lsn, p.position
    ON CONFLICT (trigger_id, event_id) DO NOTHING;
