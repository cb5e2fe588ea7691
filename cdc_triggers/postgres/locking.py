"""Locks on the user's tables: how long apply waits for them, alone and while it holds some.

Who waits for a lock for deadlock_timeout looks for a deadlock, and ends itself if there is one. So
while something of the user's is locked here, what is still lacking is waited for a shorter time:
else it is a transaction of the user's that PostgreSQL ends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2 import sql
    from psycopg2.extensions import cursor

_SHARE: Final = 0.8
"""Of deadlock_timeout."""

_LEAST_MS: Final = 50
"""What a short transaction takes. Else hundreds of tables that are written all the time could never
be captured at once: making their triggers alone takes longer than deadlock_timeout."""


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

    def __init__(
        self,
        cur: cursor,
        lock_timeout_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cursor = cur
        self._budget_ms = shortest_ms(cur, lock_timeout_ms)
        self._clock = clock
        self._first: float | None = None

    def begin(self) -> None:
        """The next statement locks several tables, one after the other: as if one were held."""
        if self._first is None:
            self._first = self._clock()

    def execute(self, statement: sql.Composable) -> None:
        """Run one.

        Raises:
            psycopg2.errors.LockNotAvailable: the time is over.
        """
        if self._first is not None:
            spent_ms = int((self._clock() - self._first) * 1000)
            set_timeout(self._cursor, max(_LEAST_MS, self._budget_ms - spent_ms))
        self._cursor.execute(statement)
        if self._first is None:
            self._first = self._clock()
