"""A TCP proxy between this product and PostgreSQL or a receiver: a network that fails on cue."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on 127.0.0.1:`port`, which stays the same over stop and start.

    stop: connections are cut and new ones refused. deaf: connections stay open, new ones are
    accepted, but nothing passes. delay_s: each chunk of either direction waits that long.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.host = "127.0.0.1"
        self.port = 0
        self.delay_s = 0.0
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._passing = threading.Event()
        self._passing.set()
        self._stopped = threading.Event()
        self.start()

    def start(self) -> None:
        """Listen (again) and let everything pass."""
        if self._listener is not None:
            return
        self._stopped.clear()
        self._passing.set()
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        """Cut all connections with a reset and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self.cut()
        self._passing.set()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._threads.clear()

    def cut(self) -> None:
        """Reset the connections there are; new ones are accepted."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Unlike close, shutdown wakes a thread that waits in recv.
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def go_deaf(self) -> None:
        """Keep connections open and let nothing pass."""
        self._passing.clear()

    def hear(self) -> None:
        """Let everything pass again, also what was held."""
        self._passing.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                upstream = socket.create_connection(self.target, timeout=5)
            except OSError:
                client.close()
                continue
            upstream.settimeout(None)
            for each in (client, upstream):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {client, upstream}
            self._spawn(self._pump, client, upstream)
            self._spawn(self._pump, upstream, client)
            if self._stopped.is_set():
                self.cut()

    def _admit(self, source: socket.socket, sink: socket.socket, data: bytes) -> None:
        """Wait until this chunk, or the end (empty), may pass; for subclasses that choose."""

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if self.delay_s:
                    self._stopped.wait(self.delay_s)
                self._passing.wait()
                self._admit(source, sink, data)
                sink.sendall(data)
        self._admit(source, sink, b"")
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
