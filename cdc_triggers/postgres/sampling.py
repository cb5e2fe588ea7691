"""Rows of a user's table as events would carry them. Reads and nothing else."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.columns import holds_of
from cdc_triggers.postgres.connect import connect, translated
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import cursor

    from cdc_triggers.core.columns import Holds
    from cdc_triggers.core.spec import Table

SETTINGS = {
    "default_transaction_read_only": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
"""Those that capture pins: a value has the same text here as in an event."""


def sample_rows(dsn: str, table: Table, limit: int) -> Sequence[bytes]:
    """At most `limit` rows of the table as JSON.

    Raises:
        DatabaseError: there is no such table, or this role may not read it.
    """
    statement = sql.SQL(query("transform_sample")).format(
        sql.Identifier(table.schema_name, table.name)
    )
    with _reading(dsn) as cur:
        try:
            cur.execute(statement, {"limit": limit})
        except psycopg2.errors.InsufficientPrivilege as error:
            role = cur.connection.info.user
            raise DatabaseError(
                f"role {role} may not read table {table}",
                hint=f"GRANT SELECT ON {table} TO {role}, or give a body or a past event",
            ) from error
        return [row[0].encode() for row in cur.fetchall()]


def holds(dsn: str, table: Table) -> Holds[str]:
    """What the table's columns hold, by name; nothing if it is not there.

    Raises:
        DatabaseError: PostgreSQL refused or failed.
    """
    with _reading(dsn) as cur:
        return holds_of(cur, table.schema_name, table.name)


@contextmanager
def _reading(dsn: str) -> Iterator[cursor]:
    name = "cdc-triggers transform"
    with (
        closing(connect(dsn, application_name=name, options=SETTINGS)) as connection,
        translated(),
        connection.cursor() as cur,
    ):
        yield cur
