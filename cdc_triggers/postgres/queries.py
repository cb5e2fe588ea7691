"""Named queries: the text of `sql/queries/NAME.sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> str:
    """The text of one named query."""
    return (files("cdc_triggers") / "sql" / "queries" / f"{name}.sql").read_text("utf-8")
