"""The leader's housekeeping: runs the clean-ups that are due, and once an hour the retention.

The retention is two things: buckets of the logs are emptied, old dead deliveries are deleted.

In a thread and on a connection of its own: a delivery never waits for it. What fails here is said,
noted in the history, and tried again at its next time; the stream goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cdc_triggers.app.cleanup import CleanUps
from cdc_triggers.app.worker import Worker
from cdc_triggers.errors import CdcTriggersError, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cdc_triggers.app.cleanup import Cleaning, Step
    from cdc_triggers.core.cleanup import Target
    from cdc_triggers.ports import Clock, Telemetry

LOOK_S = 20.0
"""Between two looks at the schedules, which say minutes."""

RETENTION_S = 3600.0


class Housekeeper:
    """Cleans while its stream leads.

    Args:
        connect: opens a connection for one look at what is due.
    """

    def __init__(self, connect: Callable[[], Cleaning], clock: Clock, telemetry: Telemetry) -> None:
        self._connect = connect
        self._clock = clock
        self._telemetry = telemetry
        self._turned_at: float | None = None
        self._retained_at: float | None = None

    async def run(self) -> None:
        """Clean what is due, for ever; cancelling it cuts the batch that runs off."""
        worker = Worker()
        try:
            while True:
                try:
                    await self._turn(worker)
                except Exception as error:  # noqa: BLE001 - a mistake of ours ends no delivery
                    self._failed(None, error)
                await asyncio.sleep(LOOK_S)
        finally:
            worker.close(wait=False)

    async def _turn(self, worker: Worker) -> None:
        store = await worker.run(self._connect)
        try:
            if not await worker.run(store.installed):
                return  # nobody has applied this version yet
            await self._turn_rings(worker, store)
            if not await worker.run(store.lock):
                return  # somebody cleans already: until the next look
            cleanups = CleanUps(store, lambda _: None)
            for target, at in await worker.run(cleanups.due):
                await self._clean(worker, cleanups, target, at)
            await self._retain(worker, cleanups)
        except asyncio.CancelledError:
            store.hang_up()
            raise
        finally:
            await worker.run(store.close)

    async def _turn_rings(self, worker: Worker, store: Cleaning) -> None:
        now = self._clock.monotonic()
        if self._turned_at is not None and now - self._turned_at < RETENTION_S:
            return
        self._turned_at = now
        try:
            for name in await worker.run(store.turn_rings):
                self._telemetry.fact("info", "ring.truncated", partition=name)
        except Exception as error:  # noqa: BLE001 - nor the clean-ups
            self._failed(None, error)

    async def _clean(
        self, worker: Worker, cleanups: CleanUps, target: Target, at: datetime
    ) -> None:
        name, began = target.trigger_name, self._clock.monotonic()
        try:
            events, attempts = await self._all(worker, cleanups.steps(target, "schedule", at))
        except Exception as error:  # noqa: BLE001 - nor the clean-up of other triggers
            self._failed(name, error)
            return
        self._telemetry.fact(
            "info",
            "cleanup.done",
            trigger=name,
            events=events,
            attempts=attempts,
            duration_s=round(self._clock.monotonic() - began, 1),
        )

    async def _retain(self, worker: Worker, cleanups: CleanUps) -> None:
        now = self._clock.monotonic()
        if self._retained_at is not None and now - self._retained_at < RETENTION_S:
            return
        self._retained_at = now
        events, _ = await self._all(worker, cleanups.retention())
        if events:
            self._telemetry.fact("info", "retention.done", deliveries=events)

    async def _all(self, worker: Worker, steps: Iterator[Step]) -> tuple[int, int]:
        """Take all steps, with a pause after each; how many events and attempts are gone."""
        events = attempts = 0
        while (step := await worker.run(_next, steps)) is not None:
            events += step.deleted.events
            attempts += step.deleted.attempts
            await asyncio.sleep(step.pause_s)
        return events, attempts

    def _failed(self, name: str | None, error: Exception) -> None:
        level, why = "error", place_of(error)
        if isinstance(error, CdcTriggersError):
            level, why = "warning", error.message
        self._telemetry.fact(level, "cleanup.failed", trigger=name, error=why)


def _next(steps: Iterator[Step]) -> Step | None:
    return next(steps, None)
