"""A database as Hasura v2 leaves it: its log and its capture triggers, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg2 import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.databases import Database

CATALOG = """
CREATE SCHEMA hdb_catalog;
CREATE TABLE hdb_catalog.event_log (
    id text DEFAULT gen_random_uuid()::text PRIMARY KEY,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    trigger_name text NOT NULL,
    payload jsonb NOT NULL,
    delivered boolean NOT NULL DEFAULT false,
    error boolean NOT NULL DEFAULT false,
    tries integer NOT NULL DEFAULT 0,
    created_at timestamp DEFAULT now(),
    locked timestamptz,
    next_retry_at timestamp,
    archived boolean NOT NULL DEFAULT false
);
CREATE FUNCTION hdb_catalog.capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO hdb_catalog.event_log (schema_name, table_name, trigger_name, payload)
    VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0], jsonb_build_object(
        'op', TG_OP,
        'data', jsonb_build_object(
            'old', CASE WHEN TG_OP <> 'INSERT' THEN row_to_json(OLD) END,
            'new', CASE WHEN TG_OP <> 'DELETE' THEN row_to_json(NEW) END),
        'session_variables', nullif(current_setting('hasura.user', true), '')::json,
        'trace_context', nullif(current_setting('hasura.tracecontext', true), '')::json));
    RETURN NULL;
END
$$;
"""

_TRIGGER = (
    """CREATE TRIGGER {} AFTER {} ON {} FOR EACH ROW EXECUTE FUNCTION hdb_catalog.capture({})"""
)


def make_catalog(database: Database) -> None:
    """The schema that Hasura puts into the database of a source."""
    database.execute(CATALOG)


def track(database: Database, name: str, table: str = "orders") -> None:
    """An event trigger for all three operations, as Hasura makes it."""
    for op in ("INSERT", "UPDATE", "DELETE"):
        database.execute(
            sql.SQL(_TRIGGER).format(
                sql.Identifier(f"notify_hasura_{name}_{op}"),
                sql.SQL(op),
                sql.Identifier(table),
                sql.Literal(name),
            )
        )


def log(database: Database, columns: Sequence[str]) -> list[Any]:
    """These columns of Hasura's log, oldest row first."""
    statement = sql.SQL("SELECT {} FROM hdb_catalog.event_log ORDER BY created_at, id")
    return database.execute(statement.format(sql.SQL(", ").join(map(sql.Identifier, columns))))


def owe(database: Database, payload: str, **columns: object) -> str:
    """A row of the log as one likes it; its id."""
    values: dict[str, object] = {
        "schema_name": "public",
        "table_name": "orders",
        "trigger_name": "order_changed",
        "payload": payload,
        **columns,
    }
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    places = sql.SQL(", ").join(sql.Placeholder() for _ in values)
    statement = sql.SQL("INSERT INTO hdb_catalog.event_log ({}) VALUES ({}) RETURNING id")
    [(event_id,)] = database.execute(statement.format(names, places), *values.values())
    return str(event_id)
