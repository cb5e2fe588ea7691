-- Where an event was in the stream, as far as it is recorded: its commit, and its position if it was parked.
SELECT commit_lsn::text, position
FROM (
    SELECT commit_lsn, position FROM cdc_triggers.delivery WHERE event_id = %(id)s::uuid
    UNION ALL
    SELECT commit_lsn, NULL::integer FROM cdc_triggers.attempt WHERE event_id = %(id)s::uuid
) AS place
WHERE commit_lsn <> '0/0'
ORDER BY position NULLS LAST
LIMIT 1
