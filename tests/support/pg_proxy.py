"""A proxy that tells the stream's two connections apart: the replication one and the SQL one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

from support.proxy import Proxy

if TYPE_CHECKING:
    import socket

    from support.databases import Database

Kind = Literal["replication", "sql"]

_STARTUP_VERSION = b"\0\3\0"
"""Protocol 3.x in a startup message; a request for SSL or GSS has other numbers there."""


class PgProxy(Proxy):
    """Between a client and the server of a database; use `dsn` to connect through it.

    silence: the connections of one kind that there are pass nothing any more, nor learn of an end
    of the other side, as behind a firewall that has forgotten them; new ones pass.
    """

    def __init__(self, database: Database) -> None:
        self._kinds: dict[frozenset[socket.socket], Kind] = {}
        self._silent: set[frozenset[socket.socket]] = set()
        self._ended = threading.Event()
        self._database = database
        super().__init__(database.server.host, database.server.port)

    @property
    def dsn(self) -> str:
        """The database's connection string, by way of this proxy."""
        server = self._database.server
        return self._database.dsn.replace(
            f"@{server.host}:{server.port}/", f"@{self.host}:{self.port}/"
        )

    def silence(self, *kinds: Kind) -> int:
        """Let the present connections of these kinds go silent for ever; how many there were."""
        with self._lock:
            found = {pair for pair, kind in self._kinds.items() if kind in kinds}
        new = found - self._silent
        self._silent |= new
        return len(new)

    def stop(self) -> None:
        """See `Proxy.stop`; silent connections end too."""
        self._ended.set()
        super().stop()
        self._kinds.clear()
        self._silent.clear()

    def start(self) -> None:
        """See `Proxy.start`."""
        self._ended.clear()
        super().start()

    def _admit(self, source: socket.socket, sink: socket.socket, data: bytes) -> None:
        pair = frozenset((source, sink))
        if pair not in self._kinds and data[4:7] == _STARTUP_VERSION:
            with self._lock:
                self._kinds[pair] = "replication" if b"\0replication\0" in data else "sql"
        if pair in self._silent:
            self._ended.wait()
