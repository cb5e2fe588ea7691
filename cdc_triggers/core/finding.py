"""One result of an examination: how bad, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Blocker: it cannot work like this. Warning: it works, with a risk or a cost."""

    OK = "ok"
    WARNING = "warning"
    BLOCKER = "blocker"


@dataclass(frozen=True)
class Finding:
    """`what` is a stable name; `detail` says how it is; `fix` is empty if nothing is to be done."""

    level: Level
    what: str
    detail: str
    fix: str = ""


def ok(what: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, what, detail)


def warning(what: str, detail: str, fix: str) -> Finding:
    """It works, with a risk or a cost."""
    return Finding(Level.WARNING, what, detail, fix)


def blocker(what: str, detail: str, fix: str) -> Finding:
    """It cannot work like this."""
    return Finding(Level.BLOCKER, what, detail, fix)
