"""Loopback endpoints that behave well and badly, and a runner for coroutines on uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
LIMIT_S = 30.0


def on_uvloop(coroutine: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await coroutine

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


PIECE = 64 * 1024


@dataclass
class Seen:
    """What the endpoint saw; `closed` is set when a client has gone."""

    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class Peer:
    """One connection, seen from the endpoint."""

    def __init__(
        self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.seen = seen
        self.reader = reader
        self.writer = writer

    async def request(self) -> None:
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
        body = await self.reader.readexactly(int(lines[0].split(b":")[1]) if lines else 0)
        self.seen.heads.append(head)
        self.seen.bodies.append(body)
        self.seen.arrived.set()

    async def write(self, data: bytes) -> None:
        # what nobody takes is not copied: who gives up on a large answer makes no work here
        for start in range(0, len(data), PIECE):
            self.writer.write(data[start : start + PIECE])
            await self.writer.drain()

    async def wait_until_gone(self) -> None:
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass
        self.seen.closed.set()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def endpoint(
    script: Script, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[tuple[str, Seen]]:
    """Serve each connection by the script, then close it; gives the base URL and what was seen."""
    seen = Seen()
    open_: set[asyncio.Task[Any]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        seen.connections += 1
        try:
            await script(Peer(seen, reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            seen.closed.set()
        except asyncio.CancelledError:
            # the end of the endpoint; asyncio's streams would log it as an error. With a rest to
            # write the connection would outlive the loop, and nobody would answer on it
            writer.transport.abort()
        finally:
            open_.discard(task)
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, ssl=tls, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", seen
    finally:
        server.close()
        await asyncio.sleep(0)  # whoever was accepted just now is among them then
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
        await asyncio.sleep(0)  # what was dropped is closed at the next turn


def answers(raw: bytes) -> Script:
    """Give this answer to every request of a connection, until the client closes it."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.write(raw)

    return script


def then_silence(raw: bytes) -> Script:
    """Answer with these bytes, perhaps none, and then wait for the client to go."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(raw)
        await peer.wait_until_gone()

    return script


def then_closes(raw: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(raw)

    return script
