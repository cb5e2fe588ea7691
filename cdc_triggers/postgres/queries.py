"""Named queries: the text of `sql/queries/NAME.sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def query(name: str) -> str:
    """The text of one named query."""
    return _all()[name]


@cache
def _all() -> dict[str, str]:
    """All at once: later there may be no file descriptor left to read one with."""
    folder = files("cdc_triggers") / "sql" / "queries"
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
