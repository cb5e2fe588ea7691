"""A proxy that reads the replication stream and sets the keepalive trap in long transactions."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from support.proxy import Proxy
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

_CHUNK = 65536
_LSN = struct.Struct(">Q")
_KEEPALIVE = struct.Struct(">cicQqB")
_WAL2JSON_ACTION = re.compile(rb'\{"action":"(.)"')
_WAL2JSON_LSN = re.compile(rb'"lsn":"([0-9A-F]+)/([0-9A-F]+)"')
_HEARD = """
SELECT 1 FROM pg_stat_replication JOIN pg_replication_slots ON pid = active_pid
 WHERE slot_name = %s AND reply_time >= timestamptz '2000-01-01 UTC' + %s * interval '1 us'"""
_ANSWER_S = 10.0
_KEEPALIVES = 10
_PAUSE_S = 0.15


class WalProxy(Proxy):
    """Between a stream and the server; use `dsn` to connect through it.

    The slot moves only by what the stream reports through here, so `flushed` is exact where samples
    of the slot could miss a moment. In every transaction of more than `row` rows a keepalive comes
    at that row, with the LSN that a server has there: the start of the commit record it decodes.

    Args:
        mark: the transaction to watch has these bytes in a row.
        springs: so many transactions are trapped; in the last one nothing follows until `go_on`.
        own: in the last one the server itself sends the first keepalive: it is asked to, while it
            waits in the midst of the transaction because nobody reads.

    Attributes:
        caught: set when the stream has answered the last keepalive, in the midst of a transaction.
        flushed: the highest LSN that the stream ever reported as flushed.
        watched_end: end_lsn of the transaction with the mark; 0: not seen yet.
        own_keepalives: of the server, within a transaction.
    """

    def __init__(
        self, database: Database, *, row: int, mark: bytes, springs: int = 1, own: bool = False
    ) -> None:
        self._database = database
        self._row, self._mark = row, mark
        self._springs, self._own = springs, own
        self._rows = 0
        self._marked = False
        self._commit_lsn = 0
        self._sprung = 0
        self._last_report = b""
        self._silent = threading.Event()
        self._answered = threading.Event()
        self._free = threading.Event()
        self.caught = threading.Event()
        self.flushed = 0
        self.watched_end = 0
        self.own_keepalives = 0
        super().__init__(database.server.host, database.server.port)

    @property
    def dsn(self) -> str:
        """The database's connection string, by way of this proxy, not encrypted."""
        dsn = self._database.dsn.replace(f":{self.target[1]}/", f":{self.port}/")
        return f"{dsn}?sslmode=disable&gssencmode=disable"

    def go_on(self) -> None:
        """Let everything pass from now on."""
        self._springs = 0
        self._silent.clear()
        self._free.set()

    def stop(self) -> None:
        """See `Proxy.stop`."""
        self.go_on()
        super().stop()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if source.getpeername()[1] == self.target[1]:
                for frame in _frames(source):
                    self._to_client(frame, source, sink)
            else:
                self._to_server(source, sink)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _to_server(self, source: socket.socket, sink: socket.socket) -> None:
        startup = source.recv(_CHUNK)
        sink.sendall(startup)
        replication = b"\0replication\0" in startup
        for frame in _frames(source):
            if replication and frame[:1] == b"d" and frame[5:6] == b"r":
                self.flushed = max(self.flushed, _lsn(frame, 14))
                self._last_report = frame
                self._answered.set()
                if self._silent.is_set():
                    continue
            sink.sendall(frame)

    def _to_client(self, frame: bytes, server: socket.socket, sink: socket.socket) -> None:
        sink.sendall(frame)
        if frame[:1] != b"d":
            return
        if frame[5:6] == b"w":
            self._look(_lsn(frame, 6), frame[30:])
            if self._rows == self._row and self._sprung < self._springs:
                self._spring(server, sink)
        elif frame[5:6] == b"k" and self._rows and self._silent.is_set():
            self.own_keepalives += 1
            self._silent.clear()
            self._trap(sink)

    def _look(self, start: int, payload: bytes) -> None:
        found = _WAL2JSON_ACTION.match(payload)
        action = payload[:1] if found is None else found[1]
        if action == b"B":
            self._rows, self._marked = 0, False
            self._commit_lsn = _commit_lsn(payload, wal2json=found is not None)
        elif action == b"I":
            self._rows += 1
            self._marked = self._marked or self._mark in payload
        elif action == b"C":
            if self._marked and not self.watched_end:
                self.watched_end = start
            self._rows = 0

    def _spring(self, server: socket.socket, sink: socket.socket) -> None:
        """At the row: a keepalive of ours, or the request for one of the server's."""
        self._sprung += 1
        if self._sprung < self._springs or not self._own:
            self._trap(sink)
            return
        self._silent.set()  # so that the report which the server hears next is this one
        clock_us = _clock_us()
        report = self._last_report[:30] + struct.pack(">qB", clock_us, 1)
        server.sendall(report)
        wait_until(lambda: self._heard(clock_us), what="the server hears the request")

    def _heard(self, clock_us: int) -> bool:
        """True if the server has read a report of that time. It reads when it has to wait."""
        return bool(self._database.execute(_HEARD, self._database.slot, clock_us))

    def _trap(self, sink: socket.socket) -> None:
        """Keepalives, each answered, for longer than the stream takes to record and confirm."""
        for _ in range(_KEEPALIVES):
            self._answered.clear()
            keepalive = _KEEPALIVE.pack(b"d", 22, b"k", self._commit_lsn, _clock_us(), 1)
            sink.sendall(keepalive)
            self._answered.wait(_ANSWER_S)
            self._free.wait(_PAUSE_S)
        if self._sprung == self._springs:
            self.caught.set()
            self._free.wait()


def _clock_us() -> int:
    return int(time.time() * 1e6) - 946_684_800_000_000


def _lsn(message: bytes, at: int) -> int:
    return int(_LSN.unpack_from(message, at)[0])


def _commit_lsn(begin: bytes, *, wal2json: bool) -> int:
    """Where the commit record of the transaction that begins here is."""
    if not wal2json:
        return _lsn(begin, 1)
    found = _WAL2JSON_LSN.search(begin)
    assert found is not None, begin
    return (int(found[1], 16) << 32) + int(found[2], 16)


def _frames(source: socket.socket) -> Iterator[bytes]:
    """The messages of the protocol: a letter, the length of the rest, the rest."""
    held = bytearray()
    while data := source.recv(_CHUNK):
        held += data
        at = 0
        while len(held) - at >= 5:
            end = at + 1 + int.from_bytes(held[at + 1 : at + 5], "big")
            if len(held) < end:
                break
            yield bytes(held[at:end])
            at = end
        del held[:at]
