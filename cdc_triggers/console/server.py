"""The HTTP port: console, API and probes by uvicorn, beside a stream on its loop, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re
import socket
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from cdc_triggers.console.application import build
from cdc_triggers.console.auth import Access
from cdc_triggers.console.calls import Lane
from cdc_triggers.console.pages.console import Console
from cdc_triggers.console.protocol import HEAD_LIMIT, BoundedProtocol, Limits
from cdc_triggers.console.resource import Desk
from cdc_triggers.core.web import LAST_PORT
from cdc_triggers.errors import CdcTriggersError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.wiring.serving import Backend
    from cdc_triggers.wiring.streaming import Watched

_BACKLOG = 128


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Setup(NamedTuple):
    """What the port is for.

    Attributes:
        secret: the admin secret; None: there is none.
        source: what Hasura's API calls this database.
    """

    address: Address
    backend: Backend
    secret: str | None
    source: str


def parse_address(text: str, option: str = "--http") -> Address:
    """Read HOST:PORT; an empty host is 127.0.0.1.

    Raises:
        UsageError: it is something else.
    """
    host, colon, port = text.rpartition(":")
    # What is beyond the last one the resolver takes, and makes another port of it.
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > LAST_PORT:
        hint = f"write {option} 127.0.0.1:8080"
        raise UsageError(f"{option} {text!r} is not HOST:PORT", hint=hint)
    return Address(host.strip("[]") or "127.0.0.1", int(port))


class _Server(uvicorn.Server):
    """Without its own signal handlers: the stream decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


class HttpServer:
    """Serves probes and the API of one stream.

    Args:
        setup: where, for which database.
        watched: the stream.
        limits: of its connections.
    """

    def __init__(self, setup: Setup, watched: Watched, limits: Limits | None = None) -> None:
        self._setup = setup
        self._watched = watched
        self._limits = limits or Limits()
        self._lanes = (Lane("api reading"), Lane("api changing"))
        self._console = Console(setup.backend, watched)
        self._server: _Server | None = None
        self._running: asyncio.Task[None] | None = None
        self.port = setup.address.port

    async def start(self) -> None:
        """Listen.

        Raises:
            CdcTriggersError: the address is taken or cannot be listened on.
        """
        sockets = await _listen(self._setup.address)
        self.port = sockets[0].getsockname()[1]
        access = Access(self._setup.secret, all(map(_is_loopback, sockets)))
        self._server = _Server(self._config(access))
        self._running = asyncio.ensure_future(self._server.serve(sockets))
        self._running.add_done_callback(self._ended)
        host, port = self._setup.address.host, self.port
        self._watched.telemetry.fact(
            "info", "http.listening", host=host, port=port, api=access.kind
        )

    def _config(self, access: Access) -> uvicorn.Config:
        desk = Desk(
            self._setup.backend,
            access,
            self._watched.telemetry,
            self._setup.source,
            *self._lanes,
        )
        pages = self._console.routes(access)
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
        logging.getLogger("uvicorn").propagate = False
        protocol = type("Protocol", (BoundedProtocol,), {"limits": self._limits})
        return uvicorn.Config(
            build(desk, self._watched.readiness, self._watched.facts, self._watched.metrics, pages),
            http=protocol,
            ws="none",
            loop="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEAD_LIMIT,
            timeout_graceful_shutdown=0,
        )

    def _ended(self, running: asyncio.Task[None]) -> None:
        """Say so if it ends by itself: whoever probes it will act; the stream goes on."""
        if self._server is not None:
            error = "" if running.cancelled() else type(running.exception()).__name__
            self._watched.telemetry.fact("error", "http.ended", error=error)

    async def close(self) -> None:
        """Stop listening and drop what is open; idempotent."""
        server, self._server = self._server, None
        if server is None or self._running is None:
            return
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        server.should_exit = server.force_exit = True
        for task in list(server.server_state.tasks):
            task.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        for lane in self._lanes:
            lane.close()
        self._console.close()


async def _listen(address: Address) -> list[socket.socket]:
    """A socket for each address that the host stands for.

    Raises:
        CdcTriggersError: one of them cannot be had.
    """
    loop = asyncio.get_running_loop()
    found: list[socket.socket] = []
    try:
        infos = await loop.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, place in dict.fromkeys(infos):
            listener = socket.socket(family, kind, protocol)
            found.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # of port 0 the first takes a free one, the others take the same
            port = place[1] or (found[0].getsockname()[1] if len(found) > 1 else 0)
            listener.bind((place[0], port, *place[2:]))
            listener.listen(_BACKLOG)
            listener.setblocking(False)  # noqa: FBT003 - its only parameter
    except (OSError, OverflowError) as error:
        for listener in found:
            listener.close()
        raise CdcTriggersError(
            f"cannot listen on {address.host} port {address.port}: "
            f"{getattr(error, 'strerror', None) or error}",
            hint="choose another address: HOST:PORT",
        ) from error
    return found


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback
