-- Which migrations are applied.
CREATE TABLE IF NOT EXISTS cdc_triggers.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE cdc_triggers.migration IS 'Migrations of this schema that are applied.'
