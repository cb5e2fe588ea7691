"""Event triggers for PostgreSQL: a row changes, a webhook is called, in order and at least once."""

__version__ = "0.1.0"
