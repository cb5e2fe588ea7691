"""The life of `cdc-triggers stream`: standby, leader, reconnecting, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app.tenure import Tenure
from cdc_triggers.core.engine import Engine
from cdc_triggers.core.records import Batch, Progress
from cdc_triggers.errors import (
    CdcTriggersError,
    DatabaseError,
    FencedError,
    SlotBusyError,
    SlotError,
)

if TYPE_CHECKING:
    from cdc_triggers.app.tenure import Adapters
    from cdc_triggers.core.records import StartState

LEASE_S = 10.0
STANDBY_S = 1.0
BACKOFF_FIRST_S = 0.1
BACKOFF_LAST_S = 10.0
BUSY_S = 90.0
"""How long another reader of the slot is waited for: a dead one is noticed by the server within
wal_sender_timeout, 60 s by default."""


class Options(NamedTuple):
    """What the user chose."""

    slot: str
    plugin: str
    drain_timeout_s: float


class Streamer:
    """Runs one stream. `readiness` may be asked at any time."""

    def __init__(self, adapters: Adapters, options: Options) -> None:
        self._a = adapters
        self._options = options
        self._why_not: str | None = "starting"
        self._ever_connected = False
        self._delivered = 0
        self._stop = asyncio.Event()

    def readiness(self) -> str | None:
        """None while streaming; else the reason why not."""
        return self._why_not

    def stop(self) -> None:
        """Drain and end; safe to call from a signal handler on the loop."""
        self._stop.set()

    async def run(self) -> None:
        """Stream until `stop`.

        Raises:
            CdcTriggersError: what waiting cannot mend; before the first success also a
                connection that is refused.
        """
        delay_s = BACKOFF_FIRST_S
        try:
            while not self._stop.is_set():
                try:
                    if await self._stand_by():
                        await self._lead()
                    delay_s = BACKOFF_FIRST_S
                except CdcTriggersError as error:
                    if self._stop.is_set() or not self._may_retry(error):
                        raise
                    delay_s = BACKOFF_FIRST_S if self._why_not is None else delay_s
                    self._why_not = error.message
                    self._a.telemetry.fact(
                        "warning", "stream.interrupted", error=error.message, retry_s=delay_s
                    )
                    await self._pause(delay_s)
                    delay_s = min(delay_s * 2, BACKOFF_LAST_S)
        finally:
            self._why_not = "stopped"
            await self._a.worker.run(self._a.store.close)
            self._a.source.close()

    async def _stand_by(self) -> bool:
        """Wait for the lease; False if told to stop before it came."""
        said = False
        while not self._stop.is_set():
            delivered = await self._a.worker.run(self._a.store.take_lease, LEASE_S)
            self._ever_connected = True
            if delivered is not None:
                self._delivered = delivered
                return True
            self._why_not = "standby: another stream is the leader"
            if not said:
                said = True
                self._a.telemetry.fact("info", "stream.standby", slot=self._options.slot)
            await self._pause(STANDBY_S)
        return False

    async def _lead(self) -> None:
        a, options = self._a, self._options
        start = await a.worker.run(a.store.load_start, options.plugin)
        triggers = await a.worker.run(a.store.load_triggers)
        await self._start_source(start)
        engine = Engine(start, triggers, a.clock.monotonic())
        engine.delivered = self._delivered
        tenure = Tenure(engine, a, LEASE_S)
        self._why_not = None
        a.telemetry.fact(
            "info",
            "stream.started",
            slot=options.slot,
            plugin=options.plugin,
            triggers=len(triggers),
            parked_triggers=len(start.parked_triggers),
        )
        try:
            await tenure.run(self._stop)
            self._why_not = "draining"
            await tenure.drain(options.drain_timeout_s)
        finally:
            await tenure.close()
            a.source.close()
            # the lease ends with the connection: whoever stands by need not wait for it
            await a.worker.run(a.store.close)

    async def _start_source(self, start: StartState) -> None:
        """Begin to stream; a slot that is still busy with a dead reader is waited for."""
        a, options = self._a, self._options
        until = a.clock.monotonic() + BUSY_S
        here = start.confirmed
        progress = Progress(here, here, here, None, None, self._delivered)
        while True:
            try:
                await a.worker.run(a.source.start, options.slot, options.plugin)
            except SlotBusyError as error:
                if self._stop.is_set() or a.clock.monotonic() > until:
                    raise
                self._why_not = error.message
                a.telemetry.fact("warning", "slot.busy", slot=options.slot, error=error.message)
                await self._pause(STANDBY_S)
                await a.worker.run(a.store.write, Batch((), (), (), progress))
            else:
                return

    def _may_retry(self, error: CdcTriggersError) -> bool:
        """The one policy of what is worth trying again."""
        if isinstance(error, FencedError):
            return True
        if isinstance(error, SlotError):
            return False
        return isinstance(error, DatabaseError) and self._ever_connected

    async def _pause(self, seconds: float) -> None:
        """Wait, or less if told to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
