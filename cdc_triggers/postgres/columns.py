"""The columns of tables as PostgreSQL has them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2 import sql

from cdc_triggers.core.columns import Holds, TableColumns
from cdc_triggers.core.layouts import Layout
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg2.extensions import cursor


def table_columns(cur: cursor, oids: Collection[int]) -> dict[int, TableColumns]:
    """Those of these tables, by oid; a table without columns, or none, is not in it."""
    cur.execute(query("table_columns"), {"oids": sorted(oids)})
    return {
        oid: TableColumns(
            tuple(zip(numbers, names, strict=True)), tuple(types), Holds(*map(frozenset, holds))
        )
        for oid, numbers, names, types, *holds in cur
    }


def holds_of(cur: cursor, schema: str, table: str) -> Holds[str]:
    """What the columns of one table hold, by their names now; nothing if there is no such table."""
    name = sql.Identifier(schema, table).as_string(cur)
    cur.execute("SELECT to_regclass(%s)::oid::bigint", [name])
    (oid,) = cur.fetchone() or (None,)
    found = {} if oid is None else table_columns(cur, [oid])
    columns = found.get(oid, TableColumns())
    return Layout(dict(columns.columns), columns.holds).holds
