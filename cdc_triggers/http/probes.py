"""`/livez` and `/readyz` for whoever watches the stream from outside.

A few dozen lines instead of a framework: one short request per connection, both sizes and times
bounded, so that a scanner cannot hold memory or file descriptors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import orjson

from cdc_triggers.errors import CdcTriggersError

HEAD_LIMIT = 8 * 1024
TIMEOUT_S = 5.0
MAX_CONNECTIONS = 64

Readiness = Callable[[], str | None]
"""None if ready, else why not, in words. Called on the loop: it must not block."""


class ProbeServer:
    """Answers GET (and HEAD) of `/livez` and `/readyz`; 404 and 405 otherwise.

    Args:
        host: the address to listen on.
        port: 0 takes a free one; `port` says which after the start.
        readiness: asked for every `/readyz`.
        timeout_s: for one whole connection.
    """

    def __init__(
        self, host: str, port: int, readiness: Readiness, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.host = host
        self.port = port
        self._readiness = readiness
        self._timeout_s = timeout_s
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            CdcTriggersError: the address is taken or cannot be listened on.
        """
        try:
            self._server = await asyncio.start_server(
                self._connection, self.host, self.port, limit=HEAD_LIMIT
            )
        except (OSError, OverflowError) as error:
            raise CdcTriggersError(
                f"cannot listen on {self.host} port {self.port}: "
                f"{getattr(error, 'strerror', None) or error}",
                hint="choose another address: --http HOST:PORT",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop what is open; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(self._timeout_s):
                writer.write(self._answer(await _head(reader)))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            pass  # slow or gone: nobody is left to tell
        finally:
            writer.transport.abort()
            self._open.discard(task)

    def _answer(self, head: bytes | None) -> bytes:
        if head is None:
            return _encode(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):  # noqa: PLR2004
            return _encode(HTTPStatus.BAD_REQUEST)
        method, path = words[0], words[1].split(b"?", 1)[0]
        if path not in {b"/livez", b"/readyz"}:
            return _encode(HTTPStatus.NOT_FOUND)
        if method not in {b"GET", b"HEAD"}:
            return _encode(HTTPStatus.METHOD_NOT_ALLOWED)
        reason = self._readiness() if path == b"/readyz" else None
        if reason is None:
            return _encode(HTTPStatus.OK, {"status": "ok"}, head_only=method == b"HEAD")
        return _encode(
            HTTPStatus.SERVICE_UNAVAILABLE,
            {"status": "unavailable", "reason": reason},
            head_only=method == b"HEAD",
        )


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    """Read up to the empty line; None if there is none within the limit."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return None
    except asyncio.IncompleteReadError as error:
        return error.partial


def _encode(
    status: HTTPStatus, content: dict[str, str] | None = None, *, head_only: bool = False
) -> bytes:
    body = orjson.dumps(content or {"status": "error", "reason": status.phrase.lower()})
    allow = "allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"cache-control: no-store\r\n{allow}content-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else body)
