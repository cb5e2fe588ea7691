-- Tell the stream, at this very place of the log: reload (specs) or retry (deliveries put back).
SELECT pg_catalog.pg_logical_emit_message(true, 'cdc_triggers', %(content)s)
