"""`python -m bench.variant`: the stream with a part of it left out, to see what that part costs.

It ends by itself after so many deliveries, and writes events per second as a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from cdc_triggers import settings
from cdc_triggers.core.attempt import Response
from cdc_triggers.postgres.store import PostgresStore
from cdc_triggers.wiring import streaming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.records import Batch, BatchResult
    from cdc_triggers.ports import Sender

_OK = Response(200, (), b"")


class Nowhere:
    """Implements `ports.Sender`: every request is answered with 200 at the next turn."""

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """See `ports.Sender.send`."""
        await asyncio.sleep(0)
        return [_OK] * len(requests)

    async def close(self) -> None:
        """See `ports.Sender.close`."""


class Counted:
    """A sender that counts the answers of another, and stops the stream after the last."""

    def __init__(self, sender: Sender, events: int) -> None:
        self._sender = sender
        self._left = events
        self._events = events
        self._began = 0.0
        self.per_s = 0.0

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """See `ports.Sender.send`."""
        self._began = self._began or time.monotonic()
        outcomes = await self._sender.send(requests)
        self._left -= len(requests)
        if self._left <= 0 and not self.per_s:
            self.per_s = self._events / (time.monotonic() - self._began)
            os.kill(os.getpid(), signal.SIGTERM)
        return outcomes

    async def close(self) -> None:
        """See `ports.Sender.close`."""
        await self._sender.close()


class Forgetful(PostgresStore):
    """A store that records no attempts; what is parked and how far the stream is, it does."""

    def write(self, batch: Batch) -> BatchResult:
        """See `ports.Store.write`."""
        return super().write(batch._replace(attempts=()))


def main() -> None:
    """Wire the variant, run it, and say how fast it was."""
    parser = argparse.ArgumentParser(prog="python -m bench.variant", description=__doc__)
    parser.add_argument("--slot", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--nowhere", action="store_true", help="answer every request at once")
    parser.add_argument("--forgetful", action="store_true", help="record no attempts")
    asked = parser.parse_args()
    made = streaming._sender  # noqa: SLF001 - no option of the stream is for measurements
    counted: list[Counted] = []

    def sender(client: str) -> Sender:
        counted.append(Counted(Nowhere() if asked.nowhere else made(client), asked.events))
        return counted[0]

    streaming._sender = sender  # noqa: SLF001
    if asked.forgetful:
        streaming.PostgresStore = Forgetful  # type: ignore[attr-defined]
    options = streaming.StreamOptions(
        dsn=settings.dsn(None),
        slot=asked.slot,
        plugin="pgoutput",
        http_client="httptools",
        drain_timeout_s=10.0,
        log_format="text",
    )
    streaming.run_stream(options)
    sys.stdout.write(json.dumps({"per_s": counted[0].per_s}) + "\n")


if __name__ == "__main__":
    main()
