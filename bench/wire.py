"""What pg_recvlogical writes of pgoutput: messages one after the other, each with a newline. Pure.

They carry no length, so each is measured by its own form:
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from typing import Final

_EPOCH_2000_S: Final = 946_684_800
_FIXED: Final = {b"B": 21, b"C": 26}
_COMMIT_TIME: Final = struct.Struct(">q")


class Commits:
    """Bytes in, the times of commits out (seconds since 1970)."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[float]:
        """The commits that are whole now.

        Raises:
            ValueError: it is not what pgoutput sends.
        """
        buffer = self._buffer + chunk
        found: list[float] = []
        at = 0
        while True:
            try:
                size = _length(buffer, at)
            except (IndexError, struct.error):
                break
            if len(buffer) < at + size + 1:
                break
            if buffer[at : at + 1] == b"C":
                micros = _COMMIT_TIME.unpack_from(buffer, at + 18)[0]
                found.append(_EPOCH_2000_S + micros / 1e6)
            at += size + 1
        self._buffer = buffer[at:]
        return found


def _length(data: bytes, at: int) -> int:
    """Of the message that begins there.

    Raises:
        IndexError, struct.error: it is not whole.
    """
    kind = data[at : at + 1]
    if not kind:
        raise IndexError
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == b"I":
        return _tuple(data, at + 6) - at
    if kind == b"R":
        return _relation(data, at) - at
    if kind == b"M":
        start = data.index(b"\0", at + 10) + 1 if b"\0" in data[at + 10 :] else len(data)
        return int(start + 4 + struct.unpack_from(">I", data, start)[0] - at)
    raise ValueError(f"pg_recvlogical wrote a message of kind {kind!r}")


def _tuple(data: bytes, at: int) -> int:
    (columns,) = struct.unpack_from(">H", data, at)
    at += 2
    for _ in range(columns):
        kind = data[at]
        at += 1
        if kind in b"tb":
            at += 4 + struct.unpack_from(">I", data, at)[0]
    return at


def _relation(data: bytes, at: int) -> int:
    at = _text(data, _text(data, at + 5))
    (columns,) = struct.unpack_from(">H", data, at + 1)
    at += 3
    for _ in range(columns):
        at = _text(data, at + 1) + 8
    return at


def _text(data: bytes, at: int) -> int:
    """Where a text that begins there has ended."""
    end = data.find(b"\0", at)
    if end < 0:
        raise IndexError
    return end + 1
