-- What an import that was interrupted had taken over, and was delivered since, is not owed again.
DELETE FROM pg_temp.cdc_parking p
 WHERE EXISTS (SELECT FROM cdc_triggers.attempt a
                WHERE a.event_id = p.event_id AND a.trigger_id = p.trigger_id
                  AND a.outcome = 'delivered')
