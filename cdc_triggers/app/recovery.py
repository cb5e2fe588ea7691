"""What happens when the slot is lost: it is made anew, and the log's events are parked.

The leader does it, before it streams. Parked events then go out like all others: in order per key,
and ahead of what the new slot brings for the same key.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cdc_triggers.app.worker import Worker
from cdc_triggers.core.recovery import RecoveryPlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cdc_triggers.core.records import Lease
    from cdc_triggers.errors import SlotLostError
    from cdc_triggers.ports import LogRecovery, Store, Telemetry

HEARTBEAT_S = 2.0
ASK_AGAIN_S = 0.05


class Recovery:
    """One recovery, from the finding to the end. `parked` counts what was found so far.

    Args:
        leader: the thread and the store that keep the lease meanwhile.
        when_free: calls again while another process reads the slot.
    """

    def __init__(
        self,
        port: LogRecovery,
        leader: tuple[Worker, Store],
        telemetry: Telemetry,
        when_free: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]],
    ) -> None:
        self._port = port
        self._leader_worker, self._store = leader
        self._telemetry = telemetry
        self._when_free = when_free
        self.parked = 0

    async def run(self, lost: SlotLostError, slot: str, plugin: str) -> Lease:
        """Recover; may be cancelled at any time: the next one begins anew and doubles nothing.

        Raises:
            FencedError, ConnectionLostError, SlotError, DatabaseError: it did not come to its end.
        """
        self._telemetry.fact("error", "slot.lost", slot=slot, error=lost.message)
        worker = Worker()
        recovering = asyncio.ensure_future(self._recover(worker, lost.message, plugin))
        beating = asyncio.ensure_future(self._beat())
        try:
            await asyncio.wait({recovering, beating}, return_when=asyncio.FIRST_COMPLETED)
            if beating.done():
                beating.result()
            lease = await recovering
        finally:
            if not recovering.done():
                recovering.cancel()
                await self._interrupt(worker)
            beating.cancel()
            await asyncio.gather(beating, recovering, return_exceptions=True)
            await worker.run(self._port.close)
            worker.close()
        self._telemetry.fact("warning", "slot.recovered", slot=slot, parked=self.parked)
        return lease

    async def _recover(self, worker: Worker, reason: str, plugin: str) -> Lease:
        port = self._port
        settled = await worker.run(port.begin, reason)
        await self._when_free(lambda: worker.run(port.renew_slot, plugin))
        while not await worker.run(port.seen):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(ASK_AGAIN_S)
        triggers = await self._leader_worker.run(self._store.load_triggers)
        plan = RecoveryPlan(triggers, settled)
        while owed := await worker.run(port.read):
            self.parked += await worker.run(port.park, tuple(plan.parks(owed)))
        return await worker.run(port.finish)

    async def _interrupt(self, worker: Worker) -> None:
        """End the call that runs; one that begins to wait only now is asked again."""
        while not worker.idle:
            await asyncio.to_thread(self._port.cancel)
            await asyncio.sleep(ASK_AGAIN_S)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self._leader_worker.run(self._store.heartbeat)
