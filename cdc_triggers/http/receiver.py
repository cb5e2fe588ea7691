"""A small, fast HTTP/1.1 receiver for development, demos and tests. Not for production.

It answers each POST at once, or as a callback says. One protocol object per connection; requests
of one connection are answered in their order.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from cdc_triggers.core.web import LAST_PORT
from cdc_triggers.errors import CdcTriggersError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024 * 1024
STATUS_MIN, STATUS_MAX = 200, 599

_LENGTH = b"\r\ncontent-length:"
_EXPECT = b"\r\nexpect: 100-continue"
_CHUNKED = b"\r\ntransfer-encoding:"
_CLOSE = b"\r\nconnection: close"


class Received(NamedTuple):
    """One request. Header names are in lower case; `path` holds the query too."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """What to answer, and after how long."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay_s: float = 0.0


Handler = Callable[[Received], Reply]


class Receiver:
    """An HTTP server on one address; an async context manager.

    Args:
        host: loopback unless somebody asks for more.
        port: 0 takes a free one; `port` says which after the start.
        handler: called once per request, on the loop: it must not block.
        reply: the answer when there is no handler.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        handler: Handler | None = None,
        reply: Reply | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.requests = 0
        self.connections_made = 0
        self.handler = handler
        self.fixed = reply or Reply()
        if not STATUS_MIN <= self.fixed.status <= STATUS_MAX:
            raise UsageError(
                f"{self.fixed.status} is not a status to answer with",
                hint=f"use one from {STATUS_MIN} to {STATUS_MAX}",
            )
        self.fixed_bytes = encode(self.fixed)
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            UsageError: the port is taken or may not be used.
            CdcTriggersError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self), self.host, self.port, backlog=4096
            )
        except OSError as error:
            raise _cannot_listen(self.host, self.port, error) from error
        except OverflowError as error:
            raise UsageError(f"{self.port} is not a port", hint=f"use 1 to {LAST_PORT}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop what is open; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for transport in tuple(self.open):
            transport.abort()
        await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Connection(asyncio.Protocol):
    """One connection: bytes are collected until a request is whole, then it is answered."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._needed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # a cast, not an isinstance: uvloop's transports have no common base with asyncio's
        self._transport = cast("asyncio.Transport", transport)
        self._receiver.open.add(self._transport)
        self._receiver.connections_made += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._receiver.open.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._timer is None and len(self._buffer) >= self._needed:
            self._advance()
        elif self._timer is not None and len(self._buffer) > HEAD_LIMIT:
            self._transport.pause_reading()

    def _advance(self) -> None:
        """Answer every request that is whole, until one has to wait."""
        buffer = self._buffer
        while buffer and self._timer is None and not self._transport.is_closing():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(buffer) > HEAD_LIMIT:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
            head = bytes(buffer[:end])
            size = self._body_size(head.lower())
            if size is None:
                return
            whole = end + 4 + size
            if len(buffer) < whole:
                self._needed = whole
                return
            body = bytes(buffer[end + 4 : whole])
            del buffer[:whole]
            self._needed = 0
            self._continued = False
            self._answer(head, body)

    def _body_size(self, head: bytes) -> int | None:
        """Length of the body that follows; None if the request was refused."""
        if _CHUNKED in head:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return None
        at = head.find(_LENGTH)
        text = head[at + len(_LENGTH) :].split(b"\r\n", 1)[0].strip() if at >= 0 else b"0"
        if not text.isdigit() or head.count(b" ", 0, head.find(b"\r\n")) != 2:  # noqa: PLR2004
            self._refuse(HTTPStatus.BAD_REQUEST)
            return None
        if len(text) > 10 or int(text) > BODY_LIMIT:  # noqa: PLR2004 - int() of a long text is slow
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        if _EXPECT in head and not self._continued:
            self._continued = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return int(text)

    def _answer(self, head: bytes, body: bytes) -> None:
        receiver = self._receiver
        receiver.requests += 1
        last = _CLOSE in head.lower()
        if receiver.handler is None:
            self._after(receiver.fixed.delay_s, receiver.fixed_bytes, last=last)
            return
        try:
            reply = receiver.handler(_parse(head, body))
        except BaseException:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise  # the event loop's exception handler reports it
        self._after(reply.delay_s, encode(reply), last=last)

    def _after(self, delay_s: float, answer: bytes, *, last: bool) -> None:
        if delay_s > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._late, answer, last)
        else:
            self._write(answer, last)

    def _late(self, answer: bytes, last: bool) -> None:  # noqa: FBT001 - given by call_later
        self._timer = None
        self._write(answer, last)
        self._transport.resume_reading()
        self._advance()

    def _write(self, answer: bytes, last: bool) -> None:  # noqa: FBT001 - one private caller each
        self._transport.write(answer)
        if last:
            self._transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        self._transport.write(encode(Reply(status, (("connection", "close"),))))
        self._transport.close()


def encode(reply: Reply) -> bytes:
    """The bytes of an answer; content-length is added, everything else is as given."""
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines += [f"content-length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode() + reply.body


def _parse(head: bytes, body: bytes) -> Received:
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    method, path, _version = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return Received(
        method, path, {name.lower(): value.strip() for name, _colon, value in pairs}, body
    )


def _cannot_listen(host: str, port: int, error: OSError) -> CdcTriggersError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} on {host} is in use", hint="stop what uses it, or choose another: --port"
        )
    if error.errno == errno.EACCES:
        return UsageError(
            f"port {port} on {host} needs more rights", hint="choose a port above 1023: --port"
        )
    return CdcTriggersError(
        f"cannot listen on {host} port {port}: {error.strerror or error}",
        hint="check the address: --host",
    )
