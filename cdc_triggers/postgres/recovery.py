"""Recovery of a lost slot: the slot is made anew, and the event log is read up to where it begins.

CREATE_REPLICATION_SLOT exports a snapshot: what it sees had committed before the slot's first
change, and all else comes out of the slot. So log and slot meet without a gap or an overlap.
Source: https://www.postgresql.org/docs/current/protocol-replication.html
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from psycopg2 import sql

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.messages import LogRow
from cdc_triggers.core.records import Lease
from cdc_triggers.core.recovery import OwedRow
from cdc_triggers.errors import FencedError
from cdc_triggers.postgres.connect import connect, connect_replication, lift_limits, translated
from cdc_triggers.postgres.copying import copy, copy_command
from cdc_triggers.postgres.queries import query
from cdc_triggers.postgres.rows import PARK_COLUMNS, park_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import connection, cursor

    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.records import ParkRow

ROWS: Final = 500
LARGE_BYTES: Final = 16 * 1024
"""Rows read at once, and the size from which one is read alone: 16 MiB at most are in hand."""

_APPLICATION: Final = "cdc-triggers recovery"

_SETTINGS: Final = {"TimeZone": "UTC", "DateStyle": "ISO"}

_FAILOVER_VERSION: Final = 170000
_PARENTHESES_VERSION: Final = 150000


class PostgresRecovery:
    """Implements `ports.LogRecovery`.

    Three connections: one for replication holds the snapshot, one reads the log in it, one writes.

    Args:
        holder: the UUID under which this process holds the lease.
    """

    def __init__(self, dsn: str, slot: str, holder: str) -> None:
        self._dsn = dsn
        self._mine = {"slot": slot, "holder": holder}
        self._settled = lsns.ZERO
        self._settled_snapshot: str | None = None
        self._begins: str | None = None
        self._snapshot: str | None = None
        self._maker: connection | None = None
        self._reader: connection | None = None
        self._writer: connection | None = None
        self._owed: cursor | None = None
        self._large: deque[tuple[str, frozenset[int]]] = deque()

    def begin(self, reason: str) -> Lsn:
        """See `ports.LogRecovery.begin`."""
        with self._transaction() as cur:
            cur.execute(query("recovery_begin"), {**self._mine, "reason": reason})
            settled, self._settled_snapshot = _mine(cur)
        self._settled = lsns.parse(settled)
        return self._settled

    def renew_slot(self, plugin: str) -> None:
        """See `ports.LogRecovery.renew_slot`."""
        with self._transaction() as cur:
            # nobody takes over until it commits: the slot may be the next leader's already
            cur.execute(query("recovery_count"), {**self._mine, "count": 0})
            _mine(cur)
            cur.execute(query("recovery_drop_slot"), self._mine)
        self._maker = maker = connect_replication(self._dsn, application_name=_APPLICATION)
        with translated(), maker.cursor() as cur:
            cur.execute(_create_command(self._mine["slot"], plugin, maker.server_version))
            _, self._begins, snapshot, _ = cur.fetchone() or (None, None, None, None)
        self._reader = reader = self._connect()
        reader.set_session("REPEATABLE READ", readonly=True, autocommit=False)
        with translated():
            with reader.cursor() as cur:
                cur.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
                cur.execute("SELECT pg_current_snapshot()::text")
                (self._snapshot,) = cur.fetchone() or (None,)
            self._owed = reader.cursor("owed")
            self._owed.execute(
                query("recovery_owed"),
                {"large": LARGE_BYTES, "snapshot": self._settled_snapshot},
            )

    def seen(self) -> bool:
        """See `ports.LogRecovery.seen`."""
        with self._transaction() as cur:
            cur.execute(query("recovery_seen"), {"snapshot": self._snapshot})
            return cur.fetchone() == (True,)

    def read(self) -> Sequence[OwedRow]:
        """See `ports.LogRecovery.read`."""
        assert self._owed is not None, "read before renew_slot"
        with translated():
            while not self._large:
                rows = self._owed.fetchmany(ROWS)
                small: list[OwedRow] = []
                for event_id, trigger_ids, large, *fields in rows:
                    delivered = frozenset[int](trigger_ids or ())
                    if large:
                        self._large.append((event_id, delivered))
                    else:
                        small.append(OwedRow(_log_row(fields), delivered))
                if small or not rows:
                    return small
            return [self._read_large(*self._large.popleft())]

    def park(self, rows: Sequence[ParkRow]) -> int:
        """See `ports.LogRecovery.park`."""
        if not rows:
            return 0
        with self._transaction() as cur:
            copy(cur, copy_command("cdc_parking", PARK_COLUMNS, "pg_temp"), map(park_row, rows))
            cur.execute(query("recovery_park"))
            count = cur.rowcount
            cur.execute(query("recovery_count"), {**self._mine, "count": count})
            _mine(cur)
            return count

    def finish(self) -> Lease:
        """See `ports.LogRecovery.finish`."""
        assert self._snapshot is not None, "finish before renew_slot"
        with self._transaction() as cur:
            cur.execute(query("recovery_place"), {"settled": lsns.show(self._settled)})
            cur.execute(query("recovery_chains"))
            found = {"snapshot": self._snapshot, "begins": self._begins}
            cur.execute(query("recovery_finish"), {**self._mine, **found})
            return Lease(*_mine(cur))

    def cancel(self) -> None:
        """See `ports.LogRecovery.cancel`."""
        for conn in (self._maker, self._reader, self._writer):
            if conn is not None and not conn.closed:
                conn.cancel()

    def close(self) -> None:
        """See `ports.LogRecovery.close`."""
        self._owed = None
        self._large.clear()
        for conn in (self._reader, self._writer, self._maker):
            if conn is not None:
                conn.close()
        self._reader = self._writer = self._maker = None

    def _read_large(self, event_id: str, delivered: frozenset[int]) -> OwedRow:
        assert self._reader is not None
        with self._reader.cursor() as cur:
            cur.execute(query("recovery_row"), {"id": event_id})
            (row,) = cur.fetchall()
        return OwedRow(_log_row(row), delivered)

    def _connect(self) -> connection:
        found = connect(self._dsn, application_name=_APPLICATION, options=_SETTINGS)
        lift_limits(found)
        return found

    @contextmanager
    def _transaction(self) -> Iterator[cursor]:
        if self._writer is None:
            self._writer = self._connect()
            self._writer.autocommit = False
            with translated(), self._writer, self._writer.cursor() as cur:
                cur.execute(query("store_staging"))
        with translated(), self._writer, self._writer.cursor() as cur:
            yield cur


def _mine(cur: cursor) -> tuple[Any, ...]:
    row = cur.fetchone()
    if row is None:
        raise FencedError(
            "another stream has taken over in the middle of a recovery",
            hint="nothing to do: that one recovers, and this one goes on as its standby",
        )
    return row


def _log_row(row: Sequence[str | None]) -> LogRow:
    fields = [None if value is None else value.encode() for value in row]
    # what may be NULL is the query's business
    return LogRow(*fields)  # type: ignore[arg-type]


def _create_command(slot: str, plugin: str, version: int) -> sql.Composed:
    options = "EXPORT_SNAPSHOT"
    if version >= _PARENTHESES_VERSION:
        failover = ", FAILOVER true" if version >= _FAILOVER_VERSION else ""
        options = f"(SNAPSHOT 'export'{failover})"
    return sql.SQL("CREATE_REPLICATION_SLOT {} LOGICAL {} {}").format(
        sql.Identifier(slot), sql.Identifier(plugin), sql.SQL(options)
    )
