-- What keeps this role from writing what a stream writes: the first right that it lacks, or its settings.
SELECT current_user::text, quote_ident(current_user),
       (SELECT w.privilege || ' on cdc_triggers.' || w.name
          FROM (VALUES (1, 'stream', 'INSERT'), (2, 'stream', 'UPDATE'), (3, 'attempt', 'INSERT'),
                       (4, 'delivery', 'INSERT'), (5, 'delivery', 'UPDATE'), (6, 'delivery', 'DELETE'))
               AS w (number, name, privilege)
         WHERE NOT has_table_privilege(to_regclass('cdc_triggers.' || w.name), w.privilege)
         ORDER BY w.number LIMIT 1),
       current_setting('default_transaction_read_only')::boolean;
