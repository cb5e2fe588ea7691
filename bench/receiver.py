"""`python -m bench.receiver`: the webhooks' other end, in a process of its own, on uvloop.

It does what nginx cannot: it answers late, and knows when each event came. It writes its port as
one line. Then each line on stdin is answered by one line of JSON: `count` with the requests so far
and the moment of asking (monotonic seconds), `arrivals` with a pair for each request (the event's
id, the wall clock when the answer was written), `last` with path, headers and body of the last
request. It ends when stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import Any, Final

import orjson
import uvloop

_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_LENGTH: Final = b"content-length:"
_ID: Final = b'"id":"'
_UUID: Final = 36


class Seen:
    """What has arrived."""

    def __init__(self, *, timed: bool, delay_s: float, hang: bool) -> None:
        self.timed, self.delay_s, self.hang = timed, delay_s, hang
        self.requests = 0
        self.arrivals: list[tuple[bytes, float]] = []
        self.last: tuple[bytes, bytes] = (b"", b"")

    def take(self, head: bytes, body: bytes) -> None:
        """One whole request."""
        self.requests += 1
        self.last = (head, body)
        if self.timed:
            at = body.find(_ID) + len(_ID)
            self.arrivals.append((body[at : at + _UUID], time.time()))

    def answer(self, question: str) -> bytes:
        """One line of JSON."""
        if question == "count":
            return orjson.dumps((self.requests, time.monotonic()))
        if question == "arrivals":
            return orjson.dumps([(event.decode(), at) for event, at in self.arrivals])
        head, body = (part.decode() for part in self.last)
        return orjson.dumps((head, body))


class Connection(asyncio.Protocol):
    """One client's. Requests are not pipelined: each is answered before the next is sent."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._buffer = buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end]
        at = head.lower().find(_LENGTH)
        size = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(buffer) < end + 4 + size:
            return
        self._buffer = buffer[end + 4 + size :]
        seen = self._seen
        if seen.hang:
            seen.requests += 1
        elif seen.delay_s:
            asyncio.get_running_loop().call_later(seen.delay_s, self._reply)
            seen.take(head, buffer[end + 4 : end + 4 + size])
        else:
            self._reply()
            seen.take(head, buffer[end + 4 : end + 4 + size])

    def _reply(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_OK)


async def serve(seen: Seen) -> None:
    """Listen until stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen), "127.0.0.1", 0, backlog=4096)
    _say(str(server.sockets[0].getsockname()[1]).encode())
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _say(seen.answer(line.strip()))
    server.close()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Parse what is wanted, and serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.receiver", description=__doc__)
    parser.add_argument("--timed", action="store_true", help="remember each event's arrival")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="answer so much later")
    parser.add_argument("--hang", action="store_true", help="never answer")
    options = parser.parse_args()
    delay_s = options.delay_ms / 1000
    uvloop.run(serve(Seen(timed=options.timed, delay_s=delay_s, hang=options.hang)))


if __name__ == "__main__":
    main()
