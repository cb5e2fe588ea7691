"""Old and new row side by side: what has changed comes first."""

from __future__ import annotations

from typing import Final, NamedTuple

from cdc_triggers.app import document

MOST: Final = 256 * 1024
"""Characters of a row that a page shows; a larger one is for the command line."""

_VALUE: Final = 4_000


class Change(NamedTuple):
    """One column. Values are JSON text; None: the row has no such column, or there is no row."""

    name: str
    before: str | None
    after: str | None
    changed: bool


class Difference(NamedTuple):
    """What an event holds.

    Attributes:
        changes: by column; empty if a row is no JSON object.
        old, new: as text for people where there are no columns to show; None: there is no row.
        has_old, has_new: there is such a row.
        large: it is too large to be shown.
    """

    changes: tuple[Change, ...]
    old: str | None
    new: str | None
    has_old: bool
    has_new: bool
    large: bool


def difference(old: str | None, new: str | None) -> Difference:
    """Both rows by column; of an UPDATE the changed columns come first."""
    empty = Difference((), None, None, old is not None, new is not None, large=False)
    if len(old or "") + len(new or "") > MOST:
        return empty._replace(large=True)
    before = {} if old is None else document.fields(old)
    after = {} if new is None else document.fields(new)
    if before is None or after is None:
        return empty._replace(
            old=None if old is None else document.pretty(old),
            new=None if new is None else document.pretty(new),
        )
    both = empty.has_old and empty.has_new
    changes = [
        Change(
            name,
            _shown(before.get(name)),
            _shown(after.get(name)),
            both and before.get(name) != after.get(name),
        )
        for name in dict.fromkeys((*before, *after))
    ]
    changes.sort(key=lambda change: not change.changed)
    return empty._replace(changes=tuple(changes))


def _shown(value: str | None) -> str | None:
    """A long value is cut, and a structure has lines."""
    if value is not None and value[:1] in "{[":
        value = document.pretty(value)
    if value is None or len(value) <= _VALUE:
        return value
    return f"{value[:_VALUE]}\N{HORIZONTAL ELLIPSIS} ({len(value)} characters)"
