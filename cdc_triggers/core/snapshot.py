"""PostgreSQL's `pg_snapshot`: which transactions had committed at one moment.

Source: https://www.postgresql.org/docs/current/functions-info.html, "pg_snapshot components".
"""

from __future__ import annotations

from typing import NamedTuple


class Snapshot(NamedTuple):
    """Transactions below `xmin` were over, from `xmax` on not begun, `running` still at work."""

    xmin: int
    xmax: int
    running: frozenset[int]

    def contains(self, xid: int) -> bool:
        """True if transaction `xid` (64-bit) was over when the snapshot was taken."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


def parse(text: str) -> Snapshot:
    """Read PostgreSQL's text form, `xmin:xmax:xip,xip`."""
    xmin, xmax, running = text.split(":")
    return Snapshot(int(xmin), int(xmax), frozenset(map(int, filter(None, running.split(",")))))
