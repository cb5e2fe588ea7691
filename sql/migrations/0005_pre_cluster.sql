-- A stream starts where its row says, if that is further than the slot: only in the cluster that wrote the row.
ALTER TABLE cdc_triggers.stream ADD COLUMN system_identifier bigint;
COMMENT ON COLUMN cdc_triggers.stream.system_identifier IS 'Of the cluster in which settled_lsn was written: a dump takes the row to others, where LSNs mean something else.';
