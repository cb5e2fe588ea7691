-- From where a stream begins: what was delivered, is parked or is dead, and must not be sent again.
SELECT event_id::text, trigger_id
  FROM (SELECT event_id, trigger_id FROM cdc_triggers.attempt
         WHERE outcome = 'delivered' AND commit_lsn >= %(begins)s::pg_lsn
         UNION
        SELECT event_id, trigger_id FROM cdc_triggers.delivery
         WHERE commit_lsn >= %(begins)s::pg_lsn) d
 ORDER BY d.trigger_id, d.event_id;
