-- Up to when every stream has settled everything; NULL: one of them nothing yet, or there is none.
SELECT CASE WHEN count(*) = count(settled_at) THEN min(settled_at) END FROM cdc_triggers.stream WHERE generation > 0
