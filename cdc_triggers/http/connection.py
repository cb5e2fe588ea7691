"""One HTTP/1.1 connection to an endpoint: one request at a time, and its answer."""

from __future__ import annotations

import asyncio
import fcntl
import select
import sys
import termios
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.attempt import FailureKind
from cdc_triggers.http.answer import NO_ANSWER, NOT_HTTP, REMEMBERED, Answer, whole_answer
from cdc_triggers.http.failures import chain, failure, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.http.deadlines import Deadlines

SMALL: Final = 64 * 1024
"""A body up to this size goes out in one piece with its head; a larger one is not copied."""

_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0)


class Connection(asyncio.Protocol):
    """Made by `loop.create_connection`; then `exchange`, any number of times.

    Args:
        rest: called when it is free for another request.
        deadlines: ends an exchange that takes too long.

    Attributes:
        deadline: loop time at which the running exchange ends without an answer.
        free_since: loop time when it was last free.
    """

    __slots__ = (
        "_answer",
        "_deadlines",
        "_large",
        "_loop",
        "_poll",
        "_rest",
        "_timeout_s",
        "_tls",
        "_transport",
        "_waiter",
        "deadline",
        "free_since",
    )

    def __init__(self, rest: Callable[[Connection], None], deadlines: Deadlines) -> None:
        self.free_since = self.deadline = 0.0
        self._deadlines = deadlines
        self._loop = asyncio.get_running_loop()
        self._rest = rest
        self._poll: select.poll | None = None
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Outcome] | None = None
        self._answer: Answer | None = None
        self._timeout_s = 0.0
        self._tls = self._large = False

    def exchange(
        self, head: bytes, body: bytes, deadline: float, timeout_s: float
    ) -> asyncio.Future[Outcome]:
        """Send a request; what comes is its outcome. Whoever cancels it drops the connection.

        Args:
            head: all before the body.
            body: sent as it is.
            deadline: loop time at which the outcome is that there was none.
            timeout_s: the time limit that this comes from, for people.
        """
        transport = self._transport
        waiter: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiter = waiter
        if transport is None:
            self._settle(NO_ANSWER)
            return waiter
        self._timeout_s = timeout_s
        self._large = len(body) > SMALL
        self.deadline = deadline
        self._deadlines.begin(self)
        if self._large:
            transport.write(head)
            transport.write(body)
        else:
            transport.write(head + body)
        return waiter

    @property
    def usable(self) -> bool:
        """False if the endpoint has closed it, or said something unasked, since it was free."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    def expire(self) -> None:
        """The time limit of the running exchange is over."""
        self._settle(timed_out(self._timeout_s))

    def close(self) -> None:
        """Close it as is proper, with TLS's own good-bye; nothing may run on it."""
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """Close it at once, whatever runs on it."""
        if self._transport is not None:
            self._transport.abort()

    # -- called by the loop -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]
        # what TLS sends by itself is no sign of an end
        tls = self._tls = transport.get_extra_info("ssl_object") is not None
        self._poll = select.poll()
        self._poll.register(
            transport.get_extra_info("socket").fileno(),
            _HUNG_UP if tls else select.POLLIN | _HUNG_UP,
        )

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._waiter is None:  # nothing was asked
            self.drop()
            return
        answer = self._answer
        if answer is None:
            if len(data) <= REMEMBERED and (known := whole_answer(data)) is not None:
                self._settle(known, reusable=True)
                return
            answer = self._answer = Answer()
        answer.feed(data)
        if answer.outcome is not None:
            self._settle(answer.outcome, reusable=answer.reusable)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`: the transport closes itself."""
        if self._waiter is not None:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        if self._waiter is None:
            return
        if exc is None:
            self._end()
        else:
            self._settle(failure(exc, FailureKind.CONNECT, map(str, chain(exc))))

    # -- inside -----------------------------------------------------------------------------------

    def _end(self) -> None:
        if self._answer is None:
            self._settle(NO_ANSWER)
            return
        self._answer.end()
        self._settle(self._answer.outcome or NOT_HTTP)

    def _settle(self, outcome: Outcome, *, reusable: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if self._answer is not None:
            self._answer.forget()
            self._answer = None
        self._deadlines.end(self)
        transport = self._transport
        if transport is not None:
            # an answer that came before all of the request was written leaves a rest of it behind;
            # and whoever has cancelled is about to drop it
            given_up = waiter is not None and waiter.cancelled()
            if reusable and not given_up and not self._is_left(transport):
                self.free_since = self._loop.time()
                self._rest(self)
            else:
                transport.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    def _is_left(self, transport: asyncio.Transport) -> bool:
        """True if something of the request has not gone out."""
        if transport.get_write_buffer_size():
            return True
        # what the transport below TLS holds it does not say: but then the system's queue is full
        return self._large and self._tls and _queued(transport)


def _queued(transport: asyncio.Transport) -> bool:
    """True if the system has bytes to send that the other side has not confirmed, or cannot say."""
    number = transport.get_extra_info("socket").fileno()
    try:
        queued = fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return True
    return int.from_bytes(queued, sys.byteorder) > 0
