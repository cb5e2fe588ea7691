"""The load under which faults happen: rows whose sequence numbers the receiver can check."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

import psycopg2
from psycopg2 import errors

if TYPE_CHECKING:
    from types import TracebackType

    from support.databases import Database

_RETRY_S = 0.1
_OUTAGES = (psycopg2.OperationalError, psycopg2.InterfaceError, errors.ReadOnlySqlTransaction)
_JOIN_S = 300.0

# A round that may or may not have committed is written again: the second time it finds nothing.
# What the lost session still holds is waited for, and then looked at again.
_INSERT = """
INSERT INTO counter SELECT id, 1, repeat('x', %(width)s) FROM generate_series(1, %(keys)s) id
 WHERE id %% %(sessions)s = %(session)s ON CONFLICT DO NOTHING"""
_ROUND = """
UPDATE counter SET seq = %(round)s
 WHERE id %% %(sessions)s = %(session)s AND seq = %(round)s - 1"""
_ROW = "UPDATE counter SET seq = %(round)s WHERE id = %(id)s AND seq = %(round)s - 1"


class Load:
    """Writes to table `counter (id, seq, note)`, which it makes; a trigger is applied afterwards.

    Each round raises `seq` of every key by one; the first one inserts the rows with `seq` 1. A
    round is one transaction per session, or one for each row. Sessions own disjoint keys, so `seq`
    grows in the order of commit. PostgreSQL may go away at any time: a round is repeated until it
    is in, and is in once.

    Args:
        events: written at least; `events` is how many exactly, a multiple of `keys`.
        single_rows: each row in a transaction of its own.
        per_second: no more events than this, all sessions together.
        width: bytes of ballast in each row.
    """

    def __init__(
        self,
        database: Database,
        events: int,
        *,
        keys: int = 50,
        sessions: int = 1,
        single_rows: bool = False,
        per_second: float | None = None,
        width: int = 0,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._single_rows = single_rows
        self._round_s = keys / per_second if per_second else 0.0
        self._width = width
        self.keys = keys
        self.rounds = max(1, -(-events // keys))
        self._done = [0] * sessions
        self._stop = threading.Event()
        self._given_up = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(session,), daemon=True)
            for session in range(sessions)
        ]
        database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL, note text)")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.join()
        else:
            self._stop.set()
            self._given_up.set()

    @property
    def events(self) -> int:
        """How many are in the log at the end, unless it is stopped."""
        return self.rounds * self.keys

    @property
    def written(self) -> int:
        """How many are in the log for certain; exact after `join`."""
        return sum(
            done * len(range(session or self._sessions, self.keys + 1, self._sessions))
            for session, done in enumerate(self._done)
        )

    def start(self) -> Self:
        """Begin to write."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Write no more rounds; the one under way is finished by `join`."""
        self._stop.set()

    def join(self, timeout_s: float = _JOIN_S) -> None:
        """Until all is written; raises what a session met other than an outage."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), f"the load is not written within {timeout_s} s"
        if self._errors:
            raise self._errors[0]

    @property
    def rounds_done(self) -> int:
        """Rounds that every session has committed."""
        return min(self._done)

    def captured(self) -> int:
        """Events in the log now, of whatever table."""
        [(count,)] = self._database.execute("SELECT count(*) FROM cdc_triggers.event_log")
        return int(count)

    def _run(self, session: int) -> None:
        connection: Any = None
        due = time.monotonic()
        try:
            for number in range(1, self.rounds + 1):
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                due = max(due + self._round_s, time.monotonic() - 1)
                connection = self._write(connection, session, number)
                self._done[session] = number
        except BaseException as error:  # noqa: BLE001 - `join` raises it
            self._errors.append(error)
        finally:
            if connection is not None:
                connection.close()

    def _write(self, connection: Any, session: int, number: int) -> Any:
        """One round, over as many outages as there are; the connection that works now."""
        while True:
            try:
                if connection is None or connection.closed:
                    connection = psycopg2.connect(self._database.dsn, application_name="test load")
                    connection.autocommit = True
                with connection.cursor() as cursor:
                    self._execute(cursor, session, number)
            except _OUTAGES:
                if connection is not None:
                    connection.close()
                    connection = None
                if self._given_up.wait(_RETRY_S):
                    raise
            else:
                return connection

    def _execute(self, cursor: Any, session: int, number: int) -> None:
        values = {
            "round": number,
            "session": session,
            "sessions": self._sessions,
            "keys": self.keys,
            "width": self._width,
        }
        if number == 1:
            cursor.execute(_INSERT, values)
        elif self._single_rows:
            for key in range(1, self.keys + 1):
                if key % self._sessions == session:
                    cursor.execute(_ROW, {**values, "id": key})
        else:
            cursor.execute(_ROUND, values)
