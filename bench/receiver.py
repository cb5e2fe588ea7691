"""`python -m bench.receiver`: the webhooks' other end, in a process of its own, on uvloop.

It writes its port as one line. Then each line on stdin is answered by one line of JSON:
`count` with the requests so far and the moment of asking, `arrivals` with a pair for each request
(the row's id, the moment when the request was there as a whole). Moments are in seconds on the
monotonic clock, which all processes of a machine share. It ends when stdin does.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson
import uvloop

from cdc_triggers.http.receiver import Received, Receiver, Reply

_OK = Reply()


async def serve(*, timed: bool) -> None:
    """Listen until stdin ends."""
    arrivals: list[tuple[float, bytes]] = []

    def handle(request: Received) -> Reply:
        arrivals.append((time.monotonic(), request.body))
        return _OK

    loop = asyncio.get_running_loop()
    async with Receiver(handler=handle if timed else None) as receiver:
        _say(str(receiver.port).encode())
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            if line.strip() == "count":
                _say(orjson.dumps((receiver.requests, time.monotonic())))
            else:
                _say(orjson.dumps([(_row_id(body), at) for at, body in arrivals]))


def _row_id(body: bytes) -> int:
    number = orjson.loads(body)["event"]["data"]["new"]["id"]
    assert isinstance(number, int)
    return number


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve(timed="--timed" in sys.argv[1:]))
