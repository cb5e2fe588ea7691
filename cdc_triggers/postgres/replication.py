"""The stream of one replication slot: bytes in, decoded messages out, feedback only when told.

Protocol: https://www.postgresql.org/docs/current/protocol-replication.html. The connection is
psycopg2's; reading and feedback go through `libpq`, because psycopg2's own cursor may confirm more
than it was told to (docs/adr/0010).
"""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING, Final, Protocol

import psycopg2
from psycopg2 import sql

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.lsn import ZERO, Lsn
from cdc_triggers.core.pgoutput import EPOCH_2000_US, PgOutput
from cdc_triggers.core.wal2json import Wal2Json
from cdc_triggers.errors import ConnectionLostError, DecodeError, UsageError
from cdc_triggers.postgres.connect import connect_replication, translate
from cdc_triggers.postgres.libpq import CopyBoth
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg2.extensions import connection

    from cdc_triggers.core.messages import Message

PUBLICATION: Final = "cdc_triggers"

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "pgoutput": {"proto_version": "1", "publication_names": PUBLICATION, "messages": "true"},
    "wal2json": {
        "format-version": "2",
        "include-transaction": "1",
        "include-lsn": "1",
        "include-xids": "1",
        "include-timestamp": "1",
        "add-tables": ",".join(f"cdc_triggers.event_log_{n}" for n in range(8)),
        "actions": "insert",
    },
}
"""What each plugin is asked for. wal2json goes by partition, pgoutput by publication."""

_KIND_DATA: Final = ord("w")
_KIND_KEEPALIVE: Final = ord("k")
_DATA_BYTES: Final = struct.calcsize(">cQQq")
"""Of what stands before a message: its kind, where it starts, where the WAL ends, the time."""

_KEEPALIVE: Final = struct.Struct(">cQqB")
_STATUS: Final = struct.Struct(">cQQQqB")
_TAKEN: Final = 1024 * 1024
"""Bytes after which `read` returns, so that two large messages do not come at once."""

_FILLS: Final = 16


class Decoder(Protocol):
    """An output plugin's payload as a message."""

    def decode(self, payload: bytes | memoryview) -> Message:
        """Raises: DecodeError."""
        ...


class Copying(Protocol):
    """What is asked of `libpq.CopyBoth`: a stand-in may be in its place, also when compiled.

    Attributes:
        size: see there; so with all of them.
    """

    size: int

    def receive(self, head: int) -> bytes | None:
        """The next message, or the head of it."""
        ...

    def rest(self) -> bytes:
        """The rest of it."""
        ...

    def fill(self) -> None:
        """Take what the socket has."""
        ...

    def send(self, message: bytes) -> None:
        """Queue a message."""
        ...


DECODERS: Mapping[str, type[Decoder]] = {"pgoutput": PgOutput, "wal2json": Wal2Json}


class ReplicationSource:
    """Implements `ports.ChangeSource`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: connection | None = None
        self._watched: int | None = None
        self._copy: Copying | None = None
        self._decoder: Decoder = PgOutput()
        self._server_lsn = ZERO
        self._reply_due = False
        self.quiet_s = 0.0

    def start(self, slot: str, plugin: str, begins: Lsn) -> None:
        """See `ports.ChangeSource.start`."""
        if plugin not in OPTIONS:
            raise UsageError(
                f"unknown output plugin {plugin!r}", hint=f"use one of {', '.join(OPTIONS)}"
            )
        self.close()
        conn = connect_replication(self._dsn)
        try:
            with conn.cursor() as cursor:
                # in the midst of a transaction of which it sends nothing, the server looks for what
                # it was asked only when half of this is over
                cursor.execute(query("source_timeout"))
                (timeout_ms,) = cursor.fetchone() or (0,)
                self.quiet_s = timeout_ms / 2000
                cursor.start_replication_expert(  # type: ignore[no-untyped-call]
                    _start_command(slot, plugin, begins), decode=False
                )
            # ours until `close`: libpq closes its own when the connection breaks, and a number that
            # the event loop still watches could then be another socket's
            self._watched = os.dup(conn.fileno())
        except psycopg2.Error as error:
            conn.close()
            raise translate(error) from error
        except OSError as error:
            conn.close()
            raise ConnectionLostError(
                f"no file descriptor is left: {error.strerror}", hint="raise the limit: ulimit -n"
            ) from error
        self._conn = conn
        self._copy = CopyBoth(conn)
        self._decoder = DECODERS[plugin]()
        self._server_lsn = ZERO
        self._reply_due = False

    def fileno(self) -> int:
        """The socket to wait on."""
        if self._watched is None:
            raise ConnectionLostError("the replication stream is not open")
        return self._watched

    def read(self, limit: int) -> Sequence[Message]:
        """See `ports.ChangeSource.read`."""
        copy = self._open()
        found: list[Message] = []
        decode = self._decoder.decode
        fills = 0
        taken = 0
        while len(found) < limit and taken < _TAKEN:
            head = copy.receive(_DATA_BYTES)
            if head is None:
                # what libpq holds is read first; then the socket, a bounded number of times
                if fills == _FILLS:
                    break
                copy.fill()
                fills += 1
                head = copy.receive(_DATA_BYTES)
                if head is None:
                    break
            kind = head[0] if head else 0
            if kind == _KIND_DATA and len(head) >= _DATA_BYTES:
                taken += copy.size
                whole = len(head) == copy.size
                payload = head[_DATA_BYTES:] if whole else copy.rest()
                found.append(decode(payload))
            elif kind == _KIND_KEEPALIVE:
                self._keepalive(head)
            else:
                raise DecodeError(f"unknown replication message {head[:1]!r}")
        return found

    def server_lsn(self) -> Lsn:
        """The `wal_end` of the last keepalive: all before it was sent, and so received."""
        return self._server_lsn

    def reply_due(self) -> bool:
        """True if the server asked for an answer since the last `confirm`."""
        return self._reply_due

    def confirm(self, received: Lsn, confirmed: Lsn, *, ping: bool = False) -> None:
        """See `ports.ChangeSource.confirm`."""
        assert received >= confirmed, "confirmed more than was received"
        copy = self._open()
        clock_us = time.time_ns() // 1000 - EPOCH_2000_US
        copy.send(_STATUS.pack(b"r", received, confirmed, confirmed, clock_us, int(ping)))
        self._reply_due = False

    def close(self) -> None:
        """Release the slot; idempotent."""
        conn, self._conn, self._copy = self._conn, None, None
        watched, self._watched = self._watched, None
        if watched is not None:
            os.close(watched)
        if conn is not None:
            conn.close()

    def _open(self) -> Copying:
        if self._copy is None:
            raise ConnectionLostError("the replication stream is not open")
        return self._copy

    def _keepalive(self, data: bytes) -> None:
        try:
            _, wal_end, _, reply = _KEEPALIVE.unpack(data)
        except struct.error as error:
            raise DecodeError("a keepalive of the wrong length") from error
        self._server_lsn = max(self._server_lsn, Lsn(wal_end))
        self._reply_due = self._reply_due or bool(reply)


def _start_command(slot: str, plugin: str, begins: Lsn) -> sql.Composed:
    options = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in OPTIONS[plugin].items()
    )
    return sql.SQL("START_REPLICATION SLOT {} LOGICAL {} ({})").format(
        sql.Identifier(slot), sql.SQL(lsns.show(begins)), options
    )
