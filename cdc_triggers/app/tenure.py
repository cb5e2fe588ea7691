"""One stream's time as the leader of its slot: runs what the engine decides, until it ends.

One event loop; blocking SQL goes to the one thread of `Worker`. The engine is never entered twice:
everything here that touches it runs on the loop, without an await in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

from cdc_triggers.app.intake import Intake
from cdc_triggers.app.tasks import cancel
from cdc_triggers.core.attempt import Failure
from cdc_triggers.core.attempt_log import Times
from cdc_triggers.core.records import Batch
from cdc_triggers.errors import ConnectionLostError, FencedError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cdc_triggers.app.adapters import Adapters
    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.engine import Engine

TICK_S = 0.1
GATHER_S = 0.2
"""Attempts are recorded this often at least; parks and results of parked ones at once."""

GATHER_RECORDS = 1_000
CONFIRM_S = 0.2
MOMENT_S = 0.5
"""At a drain attempts may end for so long before they are written down."""

RECORD_S = 0.5
RECORD_BYTES = 16 * 1024
"""How soon the row says that the stream is further on though no delivery was recorded. A write's
own WAL is less than that: else an idle stream would write for ever about its own writes."""

UNSEEN_FIRST_S = 0.005
UNSEEN_LAST_S = 0.64
"""Between two looks whether others see a commit that is decoded: most are seen at once."""

PING_S = 10.0
SILENCE_S = 30.0
"""Beyond what the server may need: 27 million rows of a table that is not captured take as long."""


class Tenure:
    """Leads from `run` until it is told to stop, or an error ends it.

    Args:
        lease_s: without a successful write for so long, nothing is sent any more.
    """

    def __init__(self, engine: Engine, adapters: Adapters, lease_s: float) -> None:
        self._engine = engine
        self._a = adapters
        self._lease_s = lease_s
        self._now = adapters.clock.monotonic
        self._sends: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outbox_filled = asyncio.Event()
        self._writing = asyncio.Lock()
        self._reading = False
        self._source_open = True
        self._slice_due = self._reloading = self._stopping = False
        self._lease_until = self._now() + lease_s
        self._intake = Intake(engine, adapters, self._confirm)
        self._written_at = self._confirmed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Stream until `stop` is set; then return with everything still open, for `drain`.

        Raises:
            ConnectionLostError, FencedError, DecodeError, DatabaseError: the tenure is over.
        """
        self._add_reader()
        self._spawn(self._write_loop())
        self._spawn(self._tick_loop())
        if self._a.housekeeper is not None:
            self._spawn(self._a.housekeeper.run())
        self._read()
        stopped = asyncio.ensure_future(stop.wait())
        try:
            first: set[asyncio.Future[Any]] = {stopped, self._failed}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
        finally:
            stopped.cancel()

    async def drain(self, timeout_s: float) -> None:
        """Stop reading, confirm all of it, let attempts in flight finish, write the rest down.

        The slot is let go after a moment, not at the end: nobody reads any more, and PostgreSQL's
        shutdown waits for an answer of whoever holds one. What runs on has its row by then.
        """
        self._stopping = True
        self._remove_reader()
        until = self._now() + timeout_s
        self._engine.park_queued(self._now())
        await self._wait_for_sends(min(timeout_s, MOMENT_S))
        self._engine.write_down_all()
        await self._write_all()
        self._confirm()
        self._source_open = False
        self._a.source.close()  # the lease stays
        await self._wait_for_sends(until - self._now())
        unfinished = self._engine.in_flight()
        await cancel(self._sends)
        for delivery in unfinished:
            self._engine.abandon(delivery, self._now())
        await self._write_all()
        self._a.telemetry.fact("info", "stream.drained", parked=len(unfinished))

    async def _wait_for_sends(self, timeout_s: float) -> None:
        if self._sends and timeout_s > 0:
            await asyncio.wait(set(self._sends), timeout=timeout_s)

    async def _write_all(self) -> None:
        await self._write()
        while len(self._engine.unwritten):
            await self._write()

    async def close(self) -> None:
        """Stop everything at once; what was not written is delivered again."""
        self._stopping = True
        self._remove_reader()
        await cancel(self._sends)
        await cancel(self._tasks)
        if self._failed.done() and not self._failed.cancelled():
            self._failed.exception()  # taken note of: whoever closes knows why

    # -- reading --------------------------------------------------------------------------------

    def _readable(self) -> None:
        """The server has sent something, and says so in every turn until it has been read."""
        if not self._slice_due:  # else each turn would have one slice more than the last
            self._read()

    def _read(self) -> None:
        """Take messages while the engine will have them, a slice at a time."""
        self._slice_due = False
        if self._stopping or self._failed.done():
            return
        try:
            more = self._take_slice()
            self._dispatch()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the tenure
            self._fail(error)
            return
        if not self._engine.can_receive:
            self._remove_reader()
        elif more:
            self._slice_due = True
            asyncio.get_running_loop().call_soon(self._read)
        else:
            self._add_reader()

    def _take_slice(self) -> bool:
        # where the engine must wait there is more: what was read already does not show as readable
        more = self._intake.take() or not self._engine.can_receive
        if self._engine.reload_wanted and not self._reloading:
            self._reloading = True
            self._spawn(self._reload())
        return more

    async def _reload(self) -> None:
        await self._see(self._engine.xid)
        rows = await self._a.worker.run(self._a.store.load_triggers)
        self._reloading = False
        self._engine.set_triggers(rows, self._now())
        self._a.telemetry.fact("info", "triggers.loaded", triggers=len(rows))
        self._after_change()

    async def _see(self, xid: int | None) -> None:
        """Wait until a transaction can be seen, and heartbeats are written meanwhile.

        Where its commit waits for a synchronous standby that may take as long as it likes.
        """
        pause_s = UNSEEN_FIRST_S
        while xid is not None and not await self._a.worker.run(self._a.store.sees, xid):
            await asyncio.sleep(pause_s)
            if pause_s < UNSEEN_LAST_S <= (pause_s := min(pause_s * 2, UNSEEN_LAST_S)):
                self._a.telemetry.fact("warning", "triggers.waiting", xid=xid)

    def _add_reader(self) -> None:
        if not self._reading and not self._stopping:
            self._reading = True
            asyncio.get_running_loop().add_reader(self._a.source.fileno(), self._readable)

    def _remove_reader(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._a.source.fileno())

    def _resume(self) -> None:
        """Read on if reading had stopped for the engine's sake."""
        if not self._reading and not self._slice_due and self._engine.can_receive:
            self._slice_due = True
            asyncio.get_running_loop().call_soon(self._read)

    # -- sending --------------------------------------------------------------------------------

    def _next(self) -> Delivery | None:
        now = self._now()
        if self._stopping or now > self._lease_until:
            return None
        return self._engine.take(now)

    def _dispatch(self) -> None:
        """Start an attempt for everything that may go now."""
        while (delivery := self._next()) is not None:
            task = asyncio.ensure_future(self._deliver(delivery))
            self._sends.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _deliver(self, delivery: Delivery | None) -> None:
        """Make attempts, one after the other, for as long as there are any to make."""
        while delivery is not None:
            attempt = self._a.watch.begin(delivery, self._engine.spec(delivery))
            spec, body = attempt.spec, self._engine.body(delivery)
            request = self._a.requests.build(spec, delivery.event, body, attempt.headers)
            outcome: Outcome
            if isinstance(request, Failure):
                outcome = request
            else:
                attempt.request = request
                (outcome,) = await self._a.sender.send((request,))
                outcome = self._a.requests.answered(spec, body, outcome)
            times = Times(self._now(), self._a.clock.now(), random.random())  # noqa: S311 - jitter
            follows = self._engine.finished(delivery, outcome, times)
            self._a.watch.ended(attempt, outcome, times, follows)
            self._outbox_filled.set()
            self._resume()
            delivery = self._next()
        self._dispatch()

    # -- writing --------------------------------------------------------------------------------

    async def _write_loop(self) -> None:
        """Write what gathers: at once if somebody waits for it, else a few times a second."""
        while True:
            timeout = max(0.0, self._lease_until - self._lease_s * 0.6 - self._now())
            # not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event
            with contextlib.suppress(TimeoutError):  # nothing to write but the heartbeat
                async with asyncio.timeout(timeout):
                    await self._outbox_filled.wait()
            if self._outbox_filled.is_set():
                await self._gather()
            await self._write()

    async def _gather(self) -> None:
        until = self._now() + GATHER_S
        while self._now() < until and not self._stopping:
            unwritten = self._engine.unwritten
            if unwritten.urgent or len(unwritten) >= GATHER_RECORDS:
                return
            await asyncio.sleep(GATHER_S / 20)

    async def _write(self) -> None:
        async with self._writing:
            await self._write_outbox()

    async def _write_outbox(self) -> None:
        self._outbox_filled.clear()
        outbox = self._engine.take_outbox()
        progress = self._engine.progress(outbox, self._a.clock.now() - self._now())
        batch = Batch(
            tuple(outbox.attempts), tuple(outbox.parks), tuple(outbox.resolutions), progress
        )
        if outbox.long_s:
            await self._stay(outbox.long_s)
        started = self._now()
        result = await self._a.worker.run(self._a.store.write, batch)
        self._a.watch.wrote(batch, self._now() - started)
        self._written_at = started
        self._lease_until = max(self._lease_until, started + self._lease_s)
        self._engine.written(outbox, result, self._now())
        if len(self._engine.unwritten):
            self._outbox_filled.set()
        self._confirm_soon()
        self._after_change()

    async def _stay(self, long_s: float) -> None:
        """Have the lease outlast a write that may take longer than it."""
        until = self._now() + self._lease_s + long_s
        await self._a.worker.run(self._a.store.heartbeat, long_s)
        self._lease_until = until

    def _confirm_soon(self) -> None:
        ledger, now = self._engine.ledger, self._now()
        if ledger.recorded > ledger.confirmed and now - self._confirmed_at >= CONFIRM_S:
            self._confirm()

    def _record_soon(self, now: float) -> None:
        """What settled without a delivery is recorded too, else it could never be confirmed."""
        ledger, rested = self._engine.ledger, now - self._written_at >= RECORD_S
        if rested and ledger.settled - ledger.recorded > RECORD_BYTES:
            self._outbox_filled.set()

    def _confirm(self) -> None:
        if not self._source_open:
            return
        ledger, now = self._engine.ledger, self._now()
        confirmed, silent_s = ledger.confirm(), now - self._intake.heard_at
        self._a.source.confirm(ledger.received, confirmed, ping=silent_s > PING_S)
        self._confirmed_at = now
        self._a.watch.confirmed(confirmed, now)

    def _after_change(self) -> None:
        self._feed()
        self._dispatch()
        self._resume()

    # -- feeding and time -----------------------------------------------------------------------

    def _feed(self) -> None:
        if self._stopping:
            return
        for trigger_id, limit in self._engine.claims_due(self._now()):
            self._spawn(self._claim(trigger_id, limit))

    async def _claim(self, trigger_id: int, limit: int) -> None:
        store, worker = self._a.store, self._a.worker
        share = self._engine.claim_share(trigger_id)  # asked before the wait: it is reserved
        rows, next_due_s = await worker.run(store.claim, trigger_id, limit, share)
        if self._engine.claimed(trigger_id, rows, next_due_s, self._now()):
            keys = await worker.run(store.remaining, trigger_id)
            self._engine.remaining(trigger_id, keys)
        if len(self._engine.unwritten):
            self._outbox_filled.set()
        self._after_change()

    async def _tick_loop(self) -> None:
        while True:
            due = self._now() + TICK_S
            await asyncio.sleep(TICK_S)
            now = self._now()
            self._a.watch.ticked(now - due, now)
            self._engine.tick(now)
            if len(self._engine.unwritten):
                self._outbox_filled.set()
            self._check_health(now)
            self._record_soon(now)
            self._confirm_soon()
            if now - self._confirmed_at >= min(PING_S, SILENCE_S) / 2:
                self._confirm()
            self._after_change()

    def _check_health(self, now: float) -> None:
        if now > self._lease_until:
            self._a.store.hang_up()  # a call may wait for an answer that never comes
            raise FencedError(
                f"nothing could be written for {self._lease_s:g} s: the lease has run out",
                hint="look at the load of PostgreSQL and at the network between",
            )
        if self._a.worker.idle and self._a.store.hung_up():
            # at once, not at the next write: a server that shuts down waits for the walsender, and
            # that one for a confirmation which cannot be recorded any more
            raise ConnectionLostError("the server has closed the connection for SQL")
        if not self._reading:
            self._intake.heard_at = now
        elif self._intake.overdue_s(now) > SILENCE_S:
            silent_s = now - self._intake.heard_at
            raise ConnectionLostError(f"the server has been silent for {silent_s:.0f} s")

    # -- tasks ----------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
