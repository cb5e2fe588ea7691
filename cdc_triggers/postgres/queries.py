"""Named queries: the text of `sql/queries/NAME.sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import cursor


def query(name: str) -> str:
    """The text of one named query."""
    return _all()[name]


def has_table(cur: cursor, name: str) -> bool:
    """True if schema cdc_triggers has this table; every role may ask."""
    cur.execute(query("catalog_has_table"), {"name": f"cdc_triggers.{name}"})
    return cur.fetchone() == (True,)


def value(cur: cursor, name: str, /, **arguments: object) -> Any:
    """Run a named query; the first value of its first row, or None if there is no row."""
    cur.execute(query(name), arguments)
    row = cur.fetchone()
    return row[0] if row else None


@cache
def _all() -> dict[str, str]:
    """All at once: later there may be no file descriptor left to read one with."""
    folder = files("cdc_triggers") / "sql" / "queries"
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
