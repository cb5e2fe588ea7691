"""Rows of a user's table as events would carry them. Reads and nothing else."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from cdc_triggers.postgres.connect import connect, translate
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    with closing(
        connect(dsn, application_name="cdc-triggers transform", options=SETTINGS)
    ) as connection:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, {"limit": limit})
                return [row[0].encode() for row in cursor.fetchall()]
        except psycopg2.Error as error:
            raise translate(error) from error
