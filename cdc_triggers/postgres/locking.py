"""Locks that apply takes: whose turn it is, and how long it waits for the user's tables.

Who waits for a lock for deadlock_timeout looks for a deadlock, and ends itself if there is one. So
while something of the user's is locked here, what is still lacking is waited for a shorter time:
else it is a transaction of the user's that PostgreSQL ends.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2 import sql
    from psycopg2.extensions import connection, cursor

_SHARE: Final = 0.8
"""Of deadlock_timeout."""

_LEAST_MS: Final = 50
"""What a short transaction takes. Else hundreds of tables that are written all the time could never
be captured at once: making their triggers alone takes longer than deadlock_timeout."""


@contextmanager
def turn(connection: connection) -> Iterator[None]:
    """One who applies at a time in this database; the others wait for as long as it takes."""
    with connection.cursor() as cur:
        cur.execute(query("apply_take_turn"))
        try:
            yield
        finally:
            if not connection.closed:
                cur.execute(query("apply_end_turn"))


def shortest_ms(cur: cursor, lock_timeout_ms: int) -> int:
    """The lock_timeout of a statement that locks several tables."""
    cur.execute(query("apply_deadlock_timeout"))
    (deadlock_ms,) = cur.fetchone() or (1000,)
    return max(1, min(lock_timeout_ms, int(deadlock_ms * _SHARE)))


def set_timeout(cur: cursor, milliseconds: int) -> None:
    """The lock_timeout, until the transaction ends."""
    cur.execute("SELECT set_config('lock_timeout', %s, true)", [str(milliseconds)])


class TableLocks:
    """Runs what locks the user's tables, in one transaction whose lock_timeout is set.

    From the first such statement on, locks are waited for `shortest_ms` in all; and for a moment
    each, when that time is over. Within one statement PostgreSQL counts each wait alone: those for
    several partitions of a table may still add up.
    """

    def __init__(self, cur: cursor, lock_timeout_ms: int) -> None:
        self._cursor = cur
        self._budget_ms = shortest_ms(cur, lock_timeout_ms)
        self._first: float | None = None

    def begin(self) -> None:
        """The next statement locks several tables, one after the other: as if one were held."""
        if self._first is None:
            self._first = time.monotonic()

    def execute(self, statement: sql.Composable) -> None:
        """Run one.

        Raises:
            psycopg2.errors.LockNotAvailable: the time is over.
        """
        if self._first is not None:
            spent_ms = int((time.monotonic() - self._first) * 1000)
            set_timeout(self._cursor, max(_LEAST_MS, self._budget_ms - spent_ms))
        self._cursor.execute(statement)
        if self._first is None:
            self._first = time.monotonic()
