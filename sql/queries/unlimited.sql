-- However long it takes: the role's and the database's own limits are made for other work. What this session has
-- set stays.
SELECT set_config(name, '0', false)
  FROM pg_catalog.pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout',
                'transaction_timeout')
   AND source <> 'session'
