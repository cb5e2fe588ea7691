-- Remember that a migration is applied.
INSERT INTO cdc_triggers.migration (number, name) VALUES (%(number)s, %(name)s)
