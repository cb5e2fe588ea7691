-- What commits while the log is not in the publication does not come out of the slot, from PostgreSQL 18 on without a word.
CREATE OR REPLACE FUNCTION cdc_triggers.published() RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT e.oid FROM pg_catalog.pg_publication_rel e JOIN pg_catalog.pg_publication p ON p.oid = e.prpubid
         WHERE p.pubname = 'cdc_triggers' AND e.prrelid = pg_catalog.to_regclass('cdc_triggers.event_log'));
COMMENT ON FUNCTION cdc_triggers.published() IS 'The entry of event_log in the publication, of pg_publication_rel; NULL: it is not in it.';
