"""A recovery that is told to stop, stops: also if its call begins to wait only then."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.recovery import Recovery
from cdc_triggers.app.worker import Worker
from cdc_triggers.errors import ConnectionLostError, SlotLostError
from cdc_triggers.testing import ManualClock, MemoryDatabase, MemoryRecovery, MemoryStore, Slot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LATE = 3


class Waiting(MemoryRecovery):
    """Making the slot waits for a transaction; only the third request to end finds it waiting."""

    def __init__(self, database: MemoryDatabase, slot: Slot) -> None:
        super().__init__(database, slot, "test")
        self.began = threading.Event()
        self.closed = False
        self._asked = threading.Semaphore(0)

    def renew_slot(self, plugin: str) -> None:
        del plugin
        self.began.set()
        for _ in range(LATE):
            self._asked.acquire()
        raise ConnectionLostError("canceled")

    def cancel(self) -> None:
        self._asked.release()

    def close(self) -> None:
        self.closed = True


class Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


async def at_once(call: Callable[[], Awaitable[None]]) -> None:
    await call()


def test_a_recovery_that_is_cancelled_ends_though_its_call_waits_only_then() -> None:
    async def run() -> None:
        database, slot, leader = MemoryDatabase(ManualClock()), Slot(), Worker()
        database.holder = "test"
        port = Waiting(database, slot)
        store = MemoryStore(database, slot, "test")
        recovery = Recovery(port, (leader, store), Facts(), at_once)
        running = asyncio.ensure_future(recovery.run(SlotLostError("gone"), "slot", "pgoutput"))
        await asyncio.to_thread(port.began.wait)
        running.cancel()
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await running
        assert port.closed
        leader.close()

    asyncio.run(run())
