"""The few calls of libpq that psycopg2 does not offer, on a connection that psycopg2 opened.

psycopg2's replication cursor answers keepalives by itself and may then confirm an LSN that nobody
asked it to (docs/adr/0010). Here nothing is ever sent but what `replication` sends. The symbols are
those of the very libpq that psycopg2 is linked with: looking them up in its extension module finds
them in the module's dependencies.

Source: https://www.postgresql.org/docs/current/libpq-copy.html, libpq-async.html.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from cdc_triggers.errors import ConnectionLostError

if TYPE_CHECKING:
    from psycopg2.extensions import connection

# PyDLL keeps the GIL: none of these calls blocks, and giving it up costs more than the call
_lib: Final = ctypes.PyDLL(psycopg2._psycopg.__file__)  # noqa: SLF001 - the module has no public alias

# These two are called for every message. Without argtypes nothing is converted, in half the time:
# their arguments are objects of ctypes already.
_get_copy_data: Final = _lib.PQgetCopyData
_get_copy_data.restype = ctypes.c_int
_free: Final = _lib.PQfreemem
_free.restype = None
_ASYNC: Final = ctypes.c_int(1)
# All memory as one array: a slice of it is a copy as bytes, in a fifth of the time of string_at.
_memory: Final[Any] = (ctypes.c_char * (1 << 62)).from_address(0)
_consume: Final = _lib.PQconsumeInput
_consume.argtypes = [ctypes.c_void_p]
_consume.restype = ctypes.c_int
_put_copy_data: Final = _lib.PQputCopyData
_put_copy_data.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
_put_copy_data.restype = ctypes.c_int
_flush: Final = _lib.PQflush
_flush.argtypes = [ctypes.c_void_p]
_flush.restype = ctypes.c_int
_set_nonblocking: Final = _lib.PQsetnonblocking
_set_nonblocking.argtypes = [ctypes.c_void_p, ctypes.c_int]
_set_nonblocking.restype = ctypes.c_int
_error_message: Final = _lib.PQerrorMessage
_error_message.argtypes = [ctypes.c_void_p]
_error_message.restype = ctypes.c_char_p
_get_result: Final = _lib.PQgetResult
_get_result.argtypes = [ctypes.c_void_p]
_get_result.restype = ctypes.c_void_p
_result_error: Final = _lib.PQresultErrorMessage
_result_error.argtypes = [ctypes.c_void_p]
_result_error.restype = ctypes.c_char_p
_clear: Final = _lib.PQclear
_clear.argtypes = [ctypes.c_void_p]
_clear.restype = None


WHOLE: Final = 64 * 1024
"""Messages up to this size are taken in one go."""


class CopyBoth:
    """A connection in COPY BOTH mode: messages in, messages out, never blocking.

    Attributes:
        size: bytes of the last message, head and rest.
    """

    def __init__(self, conn: connection) -> None:
        self._conn = conn  # keeps the PGconn alive
        self._pg = ctypes.c_void_p(conn.pgconn_ptr)
        self._buffer = ctypes.c_void_p()
        self._at = ctypes.byref(self._buffer)
        self._head = self.size = 0
        if _set_nonblocking(self._pg, 1) != 0:
            raise ConnectionLostError(f"the replication connection failed: {self._error()}")

    def receive(self, head: int) -> bytes | None:
        """The next message, if a whole one has arrived; of a large one the first `head` bytes.

        Then, if it is shorter than `size`, `rest` must be called before the next: a large message
        is copied once.

        Raises:
            ConnectionLostError: the server ended the stream, or the connection broke.
        """
        size = _get_copy_data(self._pg, self._at, _ASYNC)
        if size > 0:
            self.size = size
            self._head = size if size <= WHOLE else head
            at = self._buffer.value or 0
            data: bytes = _memory[at : at + self._head]
            if self._head == size:
                _free(self._buffer)
            return data
        if size == 0:
            return None
        raise ConnectionLostError(f"the server ended the stream: {self._reason()}")

    def rest(self) -> bytes:
        """All bytes of that message after its head."""
        at = (self._buffer.value or 0) + self._head
        rest: bytes = _memory[at : at + self.size - self._head]
        _free(self._buffer)
        return rest

    def fill(self) -> None:
        """Take what the socket has into libpq's buffer.

        Raises:
            ConnectionLostError: the connection broke.
        """
        if _consume(self._pg) != 1:
            raise ConnectionLostError(f"the replication connection broke: {self._error()}")

    def send(self, message: bytes) -> None:
        """Queue a message and send as much as the socket takes.

        Raises:
            ConnectionLostError: the connection broke.
        """
        if _put_copy_data(self._pg, message, len(message)) != 1 or _flush(self._pg) < 0:
            raise ConnectionLostError(f"the replication connection broke: {self._error()}")

    def _error(self) -> str:
        return str((_error_message(self._pg) or b"").decode("utf-8", "replace")).strip()

    def _reason(self) -> str:
        result = _get_result(self._pg)
        if not result:
            return self._error() or "no reason given"
        try:
            return str((_result_error(result) or b"").decode("utf-8", "replace")).strip() or (
                self._error() or "the copy is complete (the server shuts down)"
            )
        finally:
            _clear(result)
