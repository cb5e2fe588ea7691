"""A world for Streamer and Tenure on stand-ins: a real event loop, no network, no PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cdc_triggers.app.adapters import Adapters
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.app.streamer import Options, Streamer
from cdc_triggers.app.watch import Watch
from cdc_triggers.app.worker import Worker
from cdc_triggers.testing import (
    FaultySender,
    ManualClock,
    MemoryDatabase,
    MemoryRecovery,
    MemoryStore,
    ScriptedSource,
    Slot,
    log_row,
    transaction,
)
from support.stream import trigger_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

TIMEOUT_S = 30.0


class Facts:
    """Implements `ports.Telemetry`: keeps the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.names.append(name)


class World:
    """What outlives a process, and the parts of the one that runs."""

    def __init__(self, sender: FaultySender | None = None, ordering: str = "key") -> None:
        self.clock = ManualClock()
        self.database = MemoryDatabase(self.clock)
        self.database.triggers[1] = trigger_row(1, ordering)
        self.slot = Slot()
        self.sender = sender or FaultySender()
        self.facts = Facts()
        self.watch = Watch(self.clock, self.facts)
        self.transactions = 0
        self.renew("first")

    def renew(self, holder: str) -> None:
        self.source = ScriptedSource(self.slot)
        self.store = MemoryStore(self.database, self.slot, holder)
        self.recovery = MemoryRecovery(self.database, self.slot, holder)

    def insert(self, *numbers: int) -> int:
        """Commit one row per number; returns the transaction's end."""
        self.transactions += 1
        rows = [
            log_row(f"{self.transactions}.{n}", xid=self.transactions, new=b'{"id":%d,"v":0}' % n)
            for n in numbers
        ]
        lsn = self.transactions * 100
        self.source.feed(transaction(lsn, rows, self.transactions))
        return lsn + 8

    def sent(self) -> list[str]:
        return [json.loads(request.body)["id"] for request in self.sender.sent]

    @asynccontextmanager
    async def streaming(self, drain_timeout_s: float = 5.0) -> AsyncIterator[Streamer]:
        """A stream that runs; at the end it is stopped, and must end well."""
        worker = Worker()
        adapters = Adapters(
            self.source,
            self.store,
            self.recovery,
            worker,
            self.sender,
            RequestFactory({}),
            self.clock,
            self.facts,
            self.watch,
        )
        streamer = Streamer(adapters, Options("slot", "pgoutput", drain_timeout_s))
        running = asyncio.ensure_future(streamer.run())
        try:
            await until(lambda: streamer.readiness() is None or running.done(), self)
            yield streamer
            streamer.stop()
            await asyncio.wait_for(running, TIMEOUT_S)
        finally:
            running.cancel()
            await asyncio.wait({running})
            worker.close()


async def until(condition: Callable[[], object], world: World | None = None) -> None:
    """Let the loop turn until it is so; a manual clock goes on a little with every turn."""

    async def turn() -> None:
        while not condition():
            if world is not None:
                world.clock.advance(0.005)
            await asyncio.sleep(0.005)

    await asyncio.wait_for(turn(), TIMEOUT_S)


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())
