"""What the console asks again and again, by index and bounded: `sql/queries/console_*.sql`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import psycopg2

from cdc_triggers.core.views import OwedStatus, RecentAttempt, SlotStatus, StreamStatus
from cdc_triggers.errors import DatabaseError, TooSlowError
from cdc_triggers.postgres.connect import connect, translate
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg2.extensions import connection

T = TypeVar("T")

MOST_OWED = 10_000
"""Up to here what is owed is counted."""

_SETTINGS = {
    "statement_timeout": "5s",
    "lock_timeout": "1s",
    "jit": "off",
    "enable_seqscan": "off",  # statistics lag behind a backlog that grows: an index is never wrong
}


class Look(NamedTuple):
    """One look at slot and stream.

    Attributes:
        wal: bytes of WAL written since the beginning of the server.
        at: the server's clock, seconds since 1970.
    """

    slot: SlotStatus | None
    stream: StreamStatus | None
    wal: int
    at: float


class ConsoleDatabase:
    """A connection that is kept, and made anew when it is gone.

    Every method raises DatabaseError if PostgreSQL refuses, ConnectionLostError if it is gone,
    TooSlowError if it takes seconds.
    """

    def __init__(self, dsn: str, slot: str) -> None:
        self._dsn = dsn
        self._slot = slot
        self._connection: connection | None = None

    def look(self) -> Look:
        """Slot and stream."""
        slots = self._fetch(SlotStatus, "admin_slot", slot=self._slot)
        streams = self._fetch(StreamStatus, "admin_stream", slot=self._slot)
        ((wal, at),) = self._fetch(lambda written, at: (written, at), "admin_wal")
        return Look(slots[0] if slots else None, streams[0] if streams else None, int(wal), at)

    def owed(self) -> Sequence[OwedStatus]:
        """What each trigger owes."""
        return self._fetch(OwedStatus, "console_owed", most=MOST_OWED)

    def attempts(self, from_id: str, limit: int) -> Sequence[RecentAttempt]:
        """Attempts for the newest events."""
        return self._fetch(RecentAttempt, "console_attempts", from_id=from_id, limit=limit)

    def close(self) -> None:
        """Give the connection back; idempotent."""
        held, self._connection = self._connection, None
        if held is not None:
            with contextlib.suppress(psycopg2.Error):
                held.close()

    def _fetch(self, kind: Callable[..., T], name: str, /, **args: object) -> list[T]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._dsn, application_name="cdc-triggers console", options=_SETTINGS
            )
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query(name), args)
                names = [column.name for column in cursor.description or ()]
                rows: list[Any] = cursor.fetchall()
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName) as error:
            raise DatabaseError(
                "cdc-triggers is not installed in this database",
                hint="run `cdc-triggers apply`, or check that --dsn names the right database",
            ) from error
        except psycopg2.errors.QueryCanceled as error:
            raise TooSlowError("the database took too long to answer") from error
        except psycopg2.Error as error:
            if self._connection.closed:
                self.close()
            raise translate(error) from error
        return [kind(**dict(zip(names, row, strict=True))) for row in rows]
