"""Connections kept from one use to the next.

What a session has learnt of a database takes longer than to open it, and a page waits for both.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg2

from cdc_triggers.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import connection

MOST: Final = 1
"""Connections that are kept of each kind: pages are made one after the other."""


class Idle:
    """Connections to one database, by the settings of their sessions; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[tuple[str, str], ...], list[connection]] = {}
        self._over = False

    @contextmanager
    def use(self, dsn: str, name: str, options: Mapping[str, str]) -> Iterator[connection]:
        """An autocommit connection that nobody else uses: one that was kept, or a new one.

        Raises:
            DatabaseError: there is none.
        """
        kind = tuple(options.items())
        found = self._taken(kind) or connect(dsn, application_name=name, options=options)
        try:
            yield found
        except BaseException:
            found.close()  # whatever state it is in, nobody has to find out
            raise
        self._give(kind, found)

    def close(self) -> None:
        """Keep none from now on; idempotent."""
        with self._lock:
            self._over = True
            kept = [each for group in self._kept.values() for each in group]
            self._kept.clear()
        for each in kept:
            each.close()

    def _taken(self, kind: tuple[tuple[str, str], ...]) -> connection | None:
        """One that still answers: its server may have been restarted since."""
        with self._lock:
            group = self._kept.get(kind)
            found = group.pop() if group else None
        if found is None:
            return None
        try:
            with found.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            found.close()
            return None
        return found

    def _give(self, kind: tuple[tuple[str, str], ...], found: connection) -> None:
        try:
            found.rollback()
            found.autocommit = True
        except psycopg2.Error:
            found.close()
            return
        with self._lock:
            group = self._kept.setdefault(kind, [])
            if self._over or len(group) >= MOST:
                found.close()
            else:
                group.append(found)
