"""One connection to the HTTP port: bounded in number, time and size, whatever the peer does.

uvicorn waits for ever for the rest of a request and for a peer that does not read its answer. Here
each phase of a connection has its time, and the next one begins with a new clock.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cdc_triggers.console.answers import ApiError

if TYPE_CHECKING:
    import asyncio

HEAD_LIMIT = 8 * 1024
"""Bytes of a request line with its headers."""


class Limits(NamedTuple):
    """What a connection may take.

    Attributes:
        connections: at once; what comes on top is cut off without a word.
        receive_s: from its start, or from the last answer, to the last byte of a request.
        answer_s: from there to the answer.
        flush_s: for the peer to take what is not sent yet.
    """

    connections: int = 64
    receive_s: float = 10.0
    answer_s: float = 90.0
    flush_s: float = 30.0


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, with `limits`."""

    limits: ClassVar[Limits] = Limits()

    _timer: asyncio.TimerHandle | None = None
    _answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, unless there are too many."""
        self.transport = transport
        if len(self.connections) >= self.limits.connections:
            transport.abort()
            return
        super().connection_made(transport)
        self._allow(self.limits.receive_s)

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        super().data_received(data)
        self._note_received()

    def on_response_complete(self) -> None:
        """The answer is handed over; the peer has yet to take it."""
        self._answering = False
        unsent = self.transport.get_write_buffer_size() > 0
        self._allow(self.limits.flush_s if unsent else self.limits.receive_s)
        super().on_response_complete()
        self._note_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Say in JSON what is wrong with the bytes, if there is still a way to say it."""
        del msg
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # its body is what is malformed: this is its answer
            cycle.message_event.set()
        error = sys.exc_info()[1]
        hint = getattr(error, "error_status_hint", HTTPStatus.BAD_REQUEST)
        too_large = hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        answer = ApiError.malformed(too_large=too_large).answer()
        headers = [*answer.headers, ("connection", "close")]
        for event in (
            h11.Response(
                status_code=answer.status,
                headers=headers,
                reason=HTTPStatus(answer.status).phrase.encode(),
            ),
            h11.Data(data=answer.content),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _note_received(self) -> None:
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._answering:
            return
        self._answering = True
        self._allow(self.limits.answer_s)

    def _allow(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)
