"""The life of `cdc-triggers stream`: standby, leader, reconnecting, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cdc_triggers.app.recovery import Recovery
from cdc_triggers.app.tenure import Tenure
from cdc_triggers.core.engine import Engine
from cdc_triggers.core.outbox import LONGEST_S
from cdc_triggers.core.records import Lease
from cdc_triggers.errors import (
    CdcTriggersError,
    DatabaseError,
    FencedError,
    SlotBusyError,
    SlotError,
    SlotLostError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cdc_triggers.app.adapters import Adapters
    from cdc_triggers.core.records import StartState

T = TypeVar("T")

LEASE_S = 10.0
STANDBY_S = 1.0
BACKOFF_FIRST_S = 0.1
BACKOFF_LAST_S = 10.0
GIVE_UP_S = 5.0
SILENCE_S = 60.0
"""How long PostgreSQL may take to let go of the lease, and to give it: that mends what was left."""

BUSY_S = 90.0
"""How long another reader of the slot is waited for: a dead one is noticed by the server within
wal_sender_timeout, 60 s by default."""


class Options(NamedTuple):
    """What the user chose."""

    slot: str
    plugin: str
    drain_timeout_s: float


class Streamer:
    """Runs one stream. `readiness` and `recoveries` may be asked at any time."""

    def __init__(self, adapters: Adapters, options: Options) -> None:
        self._a = adapters
        self._options = options
        self._why_not: str | None = "starting"
        self._ever_connected = False
        self._got_on = False
        self._lease = Lease(0, 0, 0)
        self._recovery: Recovery | None = None
        self._stop = asyncio.Event()

    def readiness(self) -> str | None:
        """None while streaming; else the reason why not."""
        if self._recovery is not None:
            return f"{self._why_not}; {self._recovery.parked} deliveries found in the event log"
        return self._why_not

    def recoveries(self) -> dict[str, int]:
        """How often the slot was lost and made anew, and how many deliveries were found then."""
        lease = self._lease
        return {"recoveries": lease.recoveries, "recovered": lease.recovered}

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
                    delay_s = BACKOFF_FIRST_S if self._got_on else delay_s
                    self._got_on = False
                    self._why_not = error.message
                    self._a.watch.meter.reconnects += 1
                    self._a.telemetry.fact(
                        "warning", "stream.interrupted", error=error.message, retry_s=delay_s
                    )
                    await self._pause(delay_s)
                    delay_s = min(delay_s * 2, BACKOFF_LAST_S)
        finally:
            self._why_not = "stopped"
            self._a.source.close()
            await self._unless_silent(self._a.store.close, GIVE_UP_S)

    async def _stand_by(self) -> bool:
        """Wait for the lease; False if told to stop before it came."""
        said = False
        while not self._stop.is_set():
            take_lease = partial(self._a.store.take_lease, LEASE_S)
            lease = await self._unless_silent(take_lease, SILENCE_S)
            self._ever_connected = True
            if lease is not None:
                self._lease = lease
                return True
            self._why_not = "standby: another stream is the leader"
            if not said:
                said = True
                self._a.telemetry.fact("info", "stream.standby", slot=self._options.slot)
            await self._pause(STANDBY_S)
        return False

    async def _lead(self) -> None:
        a, options = self._a, self._options
        start = await self._acquire()
        if start is None:
            return
        triggers = await a.worker.run(a.store.load_triggers)
        engine = Engine(start, triggers, a.clock.monotonic())
        engine.delivered = self._lease.delivered
        tenure, began = Tenure(engine, a, LEASE_S), a.clock.monotonic()
        a.watch.engine = engine
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
            # the row's lease began before all this was read, and must not end before the tenure's
            await a.worker.run(a.store.heartbeat)
            await tenure.run(self._stop)
            self._why_not = "draining"
            await tenure.drain(options.drain_timeout_s)
        finally:
            # what ends it at once, such as a change that the server cannot decode, will do so again
            lasted_s = a.clock.monotonic() - began
            self._got_on = lasted_s >= BACKOFF_LAST_S or engine.ledger.confirmed > start.begins
            a.watch.engine = None
            await tenure.close()
            a.source.close()
            # the lease ends with the connection: whoever stands by need not wait for it
            await self._unless_silent(a.store.close, GIVE_UP_S)

    async def _unless_silent(self, call: Callable[[], T], timeout_s: float) -> T:
        """What a call of the store returns; one that takes longer loses its connection."""
        running = asyncio.ensure_future(self._a.worker.run(call))
        if not (await asyncio.wait({running}, timeout=timeout_s))[0]:
            self._a.store.hang_up()
        return await running

    async def _acquire(self) -> StartState | None:
        """Begin to stream, and read where from; None if told to stop in the middle of a recovery.

        What is known is read only when nobody else can move the slot any more.
        """
        a, options = self._a, self._options
        while True:
            try:
                begins = await a.worker.run(a.store.check_slot, options.plugin)
                start = partial(a.source.start, options.slot, options.plugin, begins)
                await self._when_free(partial(a.worker.run, start))
                # there may be millions of it, and whoever stands by would need as long
                await a.worker.run(a.store.heartbeat, LONGEST_S)
                return await a.worker.run(a.store.load_start, options.plugin)
            except SlotLostError as lost:
                a.source.close()
                if not await self._recover(lost):
                    return None

    async def _recover(self, lost: SlotLostError) -> bool:
        """Make the slot anew and park what is owed; False if told to stop before it was done."""
        a, options = self._a, self._options
        self._why_not = f"recovering: {lost.message}"
        self._recovery = Recovery(a.recovery, (a.worker, a.store), a.telemetry, self._when_free)
        running = asyncio.ensure_future(self._recovery.run(lost, options.slot, options.plugin))
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                self._lease = running.result()
            return running.done()
        finally:
            stopped.cancel()
            running.cancel()
            await asyncio.wait({running})
            self._recovery = None

    async def _when_free(self, call: Callable[[], Awaitable[None]]) -> None:
        """Call again while another process, perhaps a dead one, reads the slot."""
        a, until = self._a, self._a.clock.monotonic() + BUSY_S
        while True:
            try:
                await call()
            except SlotBusyError as error:
                if self._stop.is_set() or a.clock.monotonic() > until:
                    raise
                self._why_not = error.message
                slot = self._options.slot
                a.telemetry.fact("warning", "slot.busy", slot=slot, error=error.message)
                await self._pause(STANDBY_S)
                await a.worker.run(a.store.heartbeat)
                await a.worker.run(a.store.end_reader)
            else:
                return

    def _may_retry(self, error: CdcTriggersError) -> bool:
        """The one policy of what is worth trying again."""
        if isinstance(error, (FencedError, SlotLostError)):
            return True
        if isinstance(error, SlotError):
            return False
        return isinstance(error, DatabaseError) and self._ever_connected

    async def _pause(self, seconds: float) -> None:
        """Wait, or less if told to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
