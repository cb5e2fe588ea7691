"""An endpoint of raw sockets that does wrong, in a thread, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import trustme

from support.endpoints import Peer, Seen, answers, endpoint, then_closes, then_silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.endpoints import Script

MEGABYTES_10 = 10 * 1024 * 1024


class Misbehaving:
    """Serves every connection by the script; after `stop` its port is free for another."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._script = script
        self._tls = tls
        self._port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self.url = ""
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def stop(self) -> None:
        """Drop all connections and listen no more; idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)
            assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with endpoint(self._script, self._tls, self._port) as (self.url, self.seen):
            self._ready.set()
            await self._end.wait()


class Refusing:
    """A port where nobody listens."""

    def __init__(self, port: int = 0) -> None:
        with socket.create_server(("127.0.0.1", port)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Nothing to stop."""


class Unresolvable:
    """A host name that means nothing, whatever the port."""

    url = "http://does-not-exist.invalid"
    port = 0

    def stop(self) -> None:
        """Nothing to stop."""


Bad = Misbehaving | Refusing | Unresolvable


@dataclass(frozen=True)
class Fault:
    """One way of doing wrong; without a script: one that needs no server."""

    words: str
    script: Script | None = None
    tls: ssl.SSLContext | None = None
    scheme: str = "http"

    @property
    def in_place(self) -> bool:
        """True if a good server on the same port mends it; else the webhook must be corrected."""
        return self.scheme == "http" and self.words != UNRESOLVABLE

    @contextlib.contextmanager
    def serve(self, port: int = 0) -> Iterator[Bad]:
        """Do it, on a free port or on this one."""
        if self.script is None:
            yield Unresolvable() if self.words == UNRESOLVABLE else Refusing(port)
            return
        with Misbehaving(self.script, self.tls, port) as bad:
            bad.url = bad.url.replace("http:", f"{self.scheme}:")
            yield bad

    def __str__(self) -> str:
        return self.words


UNRESOLVABLE = "resolves to nothing"
_HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
_UNENDED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"
_HUGE = b"HTTP/1.1 500 Oops\r\ncontent-length: %d\r\n\r\n" % MEGABYTES_10 + b"y" * MEGABYTES_10
_REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"
_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


async def _reset(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _plain_in_the_handshake(peer: Peer) -> None:
    await peer.reader.read(1)
    await peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def _drip(peer: Peer) -> None:
    await peer.request()
    await peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n")
    gone = asyncio.ensure_future(peer.wait_until_gone())
    while not gone.done():
        await peer.write(b"x")
        await asyncio.wait([gone], timeout=0.1)


def _of_a_stranger() -> ssl.SSLContext:
    """A certificate for the right address, from a CA that nobody trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def faults() -> tuple[Fault, ...]:
    """Every way of doing wrong for as long as it lasts."""
    return (
        Fault("refuses connections"),
        Fault("never answers", then_silence(b"")),
        Fault("hangs half-way through the body", then_silence(_HALF)),
        Fault("sends no final chunk", then_silence(_UNENDED)),
        Fault("drips its body", _drip),
        Fault("100, then silence", then_silence(b"HTTP/1.1 100 Continue\r\n\r\n")),
        Fault("103, then silence", then_silence(_HINTS)),
        Fault("500 with 10 MB", answers(_HUGE)),
        Fault("redirects to itself", answers(_REDIRECT)),
        Fault("resets", _reset),
        Fault("closes without an answer", then_closes(b"")),
        Fault("answers garbage", then_closes(b"\x00\xffgarbage\r\n\r\n")),
        Fault("certificate of a stranger", answers(_REDIRECT), _of_a_stranger(), "https"),
        Fault("garbage in the TLS handshake", _plain_in_the_handshake, scheme="https"),
        Fault(UNRESOLVABLE),
    )
