"""Ends exchanges that take too long: one timer of the loop for all, not one for each."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc_triggers.http.connection import Connection


class Deadlines:
    """Belongs to the event loop that first uses it.

    The timer stands at the earliest deadline there was when it was set. Most exchanges are over
    long before theirs, so it is set once in a time limit, not once an exchange.
    """

    def __init__(self) -> None:
        self._running: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf

    def begin(self, connection: Connection) -> None:
        """Its exchange has begun: have it expire at its deadline, unless it ends before."""
        self._running.add(connection)
        if connection.deadline < self._due:
            self._set(connection.deadline)

    def end(self, connection: Connection) -> None:
        """Its exchange is over; idempotent."""
        self._running.discard(connection)

    def _look(self) -> None:
        self._unset()
        now = asyncio.get_running_loop().time()
        for connection in [each for each in self._running if each.deadline <= now]:
            connection.expire()
        if self._running:
            self._set(min(each.deadline for each in self._running))

    def _set(self, due: float) -> None:
        self._unset()
        self._due = due
        self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _unset(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, inf
