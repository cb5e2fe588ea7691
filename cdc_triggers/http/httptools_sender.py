"""The `Sender` for the hot path: HTTP/1.1 on the event loop itself, answers read by httptools.

A request that is cancelled ends at once, and its connection with it. A kept-alive connection is
looked at before it is used again: one that the endpoint has closed costs no attempt. Once a request
has been written, a connection that closes is a Failure, because the endpoint may have acted on it.
To make that rare, idle connections are given up sooner than most servers do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from aiohappyeyeballs import start_connection

from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Request
from cdc_triggers.http.connection import Connection
from cdc_triggers.http.deadlines import Deadlines
from cdc_triggers.http.failures import chain, failure, timed_out
from cdc_triggers.http.head import Headers, Origin, head_of, lines_of
from cdc_triggers.http.resolver import Resolver
from cdc_triggers.http.trust import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

IDLE_S: Final = 4.0
"""Idle connections live this long: Node.js and uvicorn close theirs after 5 s."""

MAX_IDLE_PER_HOST: Final = 1024

SWEEP_S: Final = 1.0
"""How often connections that were idle for too long are looked for."""

SECOND_ADDRESS_S: Final = 0.25
"""How long the first address of a host is tried alone (RFC 8305)."""

HEADS: Final = 256
"""Heads that are kept: a trigger's requests differ in nothing but body and trace."""

TRACE_HEADERS: Final = frozenset(
    {
        *("traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"),
        *("uber-trace-id", "x-amzn-trace-id"),
        *("ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"),
    }
)
"""They differ for every request: else each would have a head of its own."""

CLOSED: Final = Failure(FailureKind.CONNECT, "the sender is closed")


class HttptoolsSender:
    """Implements `ports.Sender`. Belongs to the event loop that first uses it.

    No proxy is used, no redirect followed, nothing decompressed, no cookie kept. There is no
    limit over all endpoints: one that hangs cannot starve another. Callers bound what is in flight.

    Args:
        ca_pem: certificates to trust besides the system's (or those of SSL_CERT_FILE).

    Raises:
        UsageError: `ca_pem` holds no certificate.
    """

    def __init__(
        self,
        *,
        ca_pem: bytes | None = None,
        idle_s: float = IDLE_S,
        max_idle_per_host: int = MAX_IDLE_PER_HOST,
    ) -> None:
        self._tls: ssl.SSLContext = tls_context(ca_pem)
        self._idle_s = idle_s
        self._max_idle = max_idle_per_host
        self._resolver = Resolver()
        self._deadlines = Deadlines()
        self._idle: dict[Origin, deque[Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._head = lru_cache(maxsize=HEADS)(head_of)

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """One outcome per request, in their order; never raises for what an endpoint does.

        A cancelled send drops the connections of the requests that are not answered yet.
        """
        if len(requests) == 1:
            return (await self._attempt(requests[0]),)
        return await asyncio.gather(*map(self._attempt, requests))

    async def close(self) -> None:
        """Drop idle connections; idempotent. Call it before the loop ends."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for idle in self._idle.values():
            for connection in idle:
                connection.drop()
        self._idle.clear()
        await asyncio.sleep(0)  # they close at the next turn of the loop

    async def _attempt(self, request: Request) -> Outcome:
        if self._closed:
            return CLOSED
        url, headers, body, timeout_s, method = request
        same, own = _split(headers)
        head = self._head(method, url, same)
        lines = lines_of(own) if own else b""
        if isinstance(head, Failure):
            return head
        if isinstance(lines, Failure):
            return lines
        now = asyncio.get_running_loop().time()
        deadline = now + timeout_s
        connection = self._free(head.origin, now)
        if connection is None:
            connected = await self._connect(head.origin, deadline, timeout_s)
            if isinstance(connected, Failure):
                return connected
            connection = connected
        waiter = connection.exchange(head.bytes_for(body, lines), body, deadline, timeout_s)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():  # else it has its answer, and perhaps the next request
                connection.drop()
            raise

    async def _connect(
        self, origin: Origin, deadline: float, timeout_s: float
    ) -> Connection | Failure:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._resolver.addresses(origin.host, origin.port)
                sock = await start_connection(addresses, happy_eyeballs_delay=SECOND_ADDRESS_S)
                _, connection = await loop.create_connection(
                    lambda: Connection(partial(self._rest, origin), self._deadlines),
                    sock=sock,
                    ssl=self._tls if origin.tls else None,
                    server_hostname=origin.host if origin.tls else None,
                )
                return connection
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, TimeoutError) and not error.errno:
                return timed_out(timeout_s)
            return failure(error, FailureKind.CONNECT, map(str, chain(error)))

    # -- idle connections -------------------------------------------------------------------------

    def _free(self, origin: Origin, now: float) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()  # the latest: the others may be given up
            if connection.usable and not self._is_old(connection, now):
                return connection
            connection.drop()
        return None

    def _rest(self, origin: Origin, connection: Connection) -> None:
        idle = self._idle.setdefault(origin, deque())
        if self._closed or len(idle) >= self._max_idle:
            connection.drop()
            return
        idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._give_up_old)

    def _give_up_old(self) -> None:
        self._sweep = None
        now = asyncio.get_running_loop().time()
        for origin, idle in tuple(self._idle.items()):
            while idle and self._is_old(idle[0], now):
                idle.popleft().close()
            if not idle:
                del self._idle[origin]
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._give_up_old)

    def _is_old(self, connection: Connection, now: float) -> bool:
        return now - connection.free_since > self._idle_s


def _split(headers: Headers) -> tuple[Headers, Headers]:
    """Headers that requests have in common, and those at the end that each has for itself."""
    count = len(headers)
    while count and headers[count - 1][0] in TRACE_HEADERS:
        count -= 1
    return (headers, ()) if count == len(headers) else (headers[:count], headers[count:])
