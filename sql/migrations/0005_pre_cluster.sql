-- What a stream's row was written by and with: its LSNs mean nothing in another cluster, and what commits while the log
-- is not published does not come out of the slot.
ALTER TABLE cdc_triggers.stream
    ADD COLUMN system_identifier bigint,
    ADD COLUMN published oid;
COMMENT ON COLUMN cdc_triggers.stream.system_identifier IS 'Of the cluster in which settled_lsn was written: a dump takes the row to others, where LSNs mean something else.';
COMMENT ON COLUMN cdc_triggers.stream.published IS 'The entry of event_log in the publication, of pg_publication_rel. Another one, or none, means that the log was out of it: events may be missing in the slot.';
