SELECT current_setting('server_version_num')::integer, current_user::text, current_database()::text,
       pg_catalog.to_regclass('cdc_triggers.trigger_revision') IS NOT NULL
