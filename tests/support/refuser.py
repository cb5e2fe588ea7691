"""A server that answers each PostgreSQL startup with one error, as poolers and full servers do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self


class Refuser:
    """Listens on 127.0.0.1:`port` while the context is open."""

    def __init__(self, message: bytes, sqlstate: bytes) -> None:
        fields = b"SFATAL\0VFATAL\0C" + sqlstate + b"\0M" + message + b"\0\0"
        self._answer = b"E" + struct.pack("!i", len(fields) + 4) + fields
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(self._answer)
