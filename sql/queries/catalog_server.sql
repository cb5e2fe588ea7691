SELECT current_user::text, pg_catalog.to_regclass('cdc_triggers.trigger_revision') IS NOT NULL
