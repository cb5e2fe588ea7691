"""Streamer and Tenure on stand-ins: a real event loop, no network, no PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from support.stream import trigger_row
from support.waiting import wait_until

from cdc_triggers.app.adapters import Adapters
from cdc_triggers.app.intake import SLICE_S
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.app.streamer import Options, Streamer
from cdc_triggers.app.watch import Watch
from cdc_triggers.app.worker import Worker
from cdc_triggers.core.attempt import Response
from cdc_triggers.core.memory import ANY_BYTES, MIB, Share
from cdc_triggers.core.messages import Signal
from cdc_triggers.core.records import Lease
from cdc_triggers.core.trigger_state import CAPACITY_BYTES
from cdc_triggers.errors import ConnectionLostError, FencedError, SlotBusyError, SlotError
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.records import Batch, TriggerRow

OK = Response(200, (), b"")
BAD = Response(500, (), b"")
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


def test_what_was_delivered_is_recorded_then_confirmed() -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            end = world.insert(1, 2)
            await until(lambda: world.slot.confirmed == end, world)
            assert sorted(world.sent()) == ["1.1", "1.2"]
            assert {a.event_id for a in world.database.attempts} == {"1.1", "1.2"}
        assert world.database.progress is not None
        assert world.database.progress.delivered == 2

    run(scenario)


def test_a_failing_endpoint_is_retried_and_holds_no_lsn() -> None:
    async def scenario() -> None:
        world = World(FaultySender([BAD]))
        async with world.streaming():
            end = world.insert(1)
            await until(lambda: world.slot.confirmed == end, world)
            assert len(world.sender.sent) == 1
            await until(lambda: not world.database.deliveries, world)
            assert world.sent() == ["1.1", "1.1"]
            assert [a.outcome for a in world.database.attempts] == ["retry", "delivered"]

    run(scenario)


def test_a_broken_connection_is_mended_and_nothing_recorded_is_sent_again() -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            end = world.insert(1)
            await until(lambda: world.slot.confirmed == end, world)
            world.source.fail()
            await until(lambda: world.source.started == 2, world)
            end = world.insert(2)
            await until(lambda: world.slot.confirmed == end, world)
            assert world.sent() == ["1.1", "2.2"]
        assert "stream.interrupted" in world.facts.names

    run(scenario)


def test_a_lost_write_repeats_the_same_event_and_confirms_nothing_before() -> None:
    async def scenario() -> None:
        world = World()
        lost: list[Batch] = []

        def lose(batch: Batch) -> None:
            if batch.attempts and not lost:
                lost.append(batch)
                assert world.slot.confirmed == 0
                raise ConnectionLostError("the server went away")

        world.store.before_write = lose
        async with world.streaming():
            end = world.insert(1)
            await until(lambda: world.slot.confirmed == end, world)
            assert world.sent() == ["1.1", "1.1"]
            assert len(world.database.attempts) == 1

    run(scenario)


def test_a_write_whose_answer_was_lost_is_not_sent_again() -> None:
    async def scenario() -> None:
        world = World()
        lost: list[Batch] = []

        def lose(batch: Batch) -> None:
            if batch.attempts and not lost:
                lost.append(batch)
                raise ConnectionLostError("the answer got lost")

        world.store.after_write = lose
        async with world.streaming():
            end = world.insert(1)
            await until(lambda: world.slot.confirmed == end, world)
            assert world.sent() == ["1.1"]

    run(scenario)


def test_a_large_write_that_takes_longer_than_the_lease_does_not_end_it() -> None:
    async def scenario() -> None:
        world = World(FaultySender([BAD]))
        took: list[Batch] = []

        def take_long(batch: Batch) -> None:
            if batch.parks and not took:
                took.append(batch)
                world.clock.advance(14.0)
                lag = world.watch.meter.loop_lag
                ticks = lag.count
                wait_until(lambda: lag.count > ticks + 1, what="the stream looks at its lease")

        world.store.before_write = take_long
        async with world.streaming():
            row = log_row("1.1", xid=1, new=b'{"id":1,"v":"%b"}' % (b"x" * 5 * MIB))
            world.source.feed(transaction(100, [row], 1))
            await until(lambda: world.slot.confirmed == 108 and len(world.sent()) == 2, world)
            assert took
            assert "stream.interrupted" not in world.facts.names

    run(scenario)


def test_a_stream_that_was_replaced_stops_and_stands_by() -> None:
    async def scenario() -> None:
        world = World()
        other = MemoryStore(world.database, world.slot, "other")
        async with world.streaming() as streamer:
            world.database.session = None
            world.database.dead.add("first")
            assert other.take_lease(10.0) is not None
            world.insert(1)
            await until(lambda: "stream.standby" in world.facts.names, world)
            assert (streamer.readiness() or "").startswith("standby")
            other.close()
            await until(lambda: streamer.readiness() is None, world)
            await until(lambda: world.slot.confirmed == 108, world)

    run(scenario)


def test_a_drain_lets_attempts_end_and_confirms_what_they_settled() -> None:
    async def scenario() -> None:
        may_answer = asyncio.Event()

        async def answer(request: Request) -> Outcome:
            await may_answer.wait()
            return OK

        world = World(FaultySender(answer))
        async with world.streaming() as streamer:
            world.insert(1)
            end = world.insert(1)
            await until(lambda: world.sender.sent, world)
            streamer.stop()
            await until(lambda: streamer.readiness() == "draining", world)
            may_answer.set()
        assert world.slot.confirmed == end
        assert world.sent() == ["1.1"]
        assert [r.event.id for r in world.database.deliveries.values()] == ["2.1"]

    run(scenario)


def test_a_drain_abandons_an_endpoint_that_hangs_and_the_next_process_sends_again() -> None:
    async def scenario() -> None:
        hang = asyncio.Event()

        async def never(request: Request) -> Outcome:
            await hang.wait()
            return OK

        world = World(FaultySender(never))
        async with world.streaming(drain_timeout_s=0.05):
            end = world.insert(1)
            await until(lambda: world.sender.sent, world)
        assert world.slot.confirmed == end
        world.sender = FaultySender()
        world.renew("second")
        async with world.streaming():
            await until(lambda: not world.database.deliveries, world)
            assert world.sent() == ["1.1"]

    run(scenario)


def test_a_signal_in_the_stream_reloads_triggers_before_the_next_event() -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            row = world.database.triggers[1]
            world.database.triggers[1] = row._replace(paused=True)
            world.source.feed(transaction(50, [Signal(b"reload")]))
            end = world.insert(1)
            await until(lambda: world.slot.confirmed == end, world)
            assert world.sent() == []
            assert [r.reason for r in world.database.deliveries.values()] == ["paused"]

    run(scenario)


def test_what_was_read_behind_an_event_that_filled_the_queue_follows_as_soon_as_it_is_sent() -> (
    None
):
    async def scenario() -> None:
        world = World(ordering="none")
        async with world.streaming():
            large = b'{"id":1,"v":"%b"}' % (b"x" * CAPACITY_BYTES)
            rows = [log_row(f"1.{n}", new=large if n == 1 else b'{"id":2}') for n in (1, 2)]
            began = world.clock.monotonic()
            world.source.feed(transaction(100, rows))
            await until(lambda: len(world.sender.sent) == 2, world)
            assert world.clock.monotonic() - began < 1.0

    run(scenario)


def test_a_backlog_takes_one_slice_of_every_turn_of_the_loop() -> None:
    async def scenario() -> None:
        world = World()
        monotonic = world.clock.monotonic

        def passing() -> float:
            """Each look at the clock takes a moment, as a message does."""
            world.clock.advance(SLICE_S / 40)
            return monotonic()

        world.clock.monotonic = passing  # type: ignore[method-assign]
        async with world.streaming():
            rows = [log_row(f"{n}", table_id=2, new=b"{}") for n in range(50)]
            world.source.feed(*(transaction(100 * n, rows, n) for n in range(1, 201)))
            for _ in range(100):
                began = monotonic()
                await asyncio.sleep(0)
                assert monotonic() - began < 3 * SLICE_S
            assert world.watch.meter.events < 10_000, "there is a backlog still"

    run(scenario)


def test_triggers_are_read_as_of_the_transaction_that_asked_for_it() -> None:
    """That of a later one may be seen before it: it waits for no standby, for example."""

    async def scenario() -> None:
        world = World()
        asked: list[int | None] = []
        load = world.store.load_triggers

        def load_triggers(after_xid: int | None = None) -> Sequence[TriggerRow]:
            asked.append(after_xid)
            return load(after_xid)

        world.store.load_triggers = load_triggers  # type: ignore[method-assign]
        async with world.streaming():
            row = log_row("9.1", xid=9, new=b'{"id":1,"v":0}')
            world.source.feed(
                transaction(100, [Signal(b"reload")], xid=7),
                transaction(200, [Signal(b"reload")], xid=8),
                transaction(300, [row], xid=9),
            )
            await until(lambda: world.slot.confirmed == 308, world)
            assert asked == [None, 7, 8]

    run(scenario)


def test_an_idle_stream_confirms_what_keepalives_say() -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            world.source.keepalive(5_000, reply=True)
            await until(lambda: world.slot.confirmed == 5_000, world)

    run(scenario)


def test_a_slot_that_is_busy_is_waited_for() -> None:
    async def scenario() -> None:
        world = World()
        world.source.refuse(SlotBusyError("slot is in use by pid 4711"))
        async with world.streaming():
            end = world.insert(1)
            await until(lambda: world.slot.confirmed == end, world)
        assert "slot.busy" in world.facts.names

    run(scenario)


def test_a_slot_that_is_missing_ends_the_stream() -> None:
    async def scenario() -> None:
        world = World()
        world.source.refuse(SlotError("the slot is missing"))
        with pytest.raises(SlotError):
            async with world.streaming():
                pass

    run(scenario)


def test_the_store_fences_a_holder_that_was_replaced() -> None:
    world = World()
    other = MemoryStore(world.database, world.slot, "other")
    assert world.store.take_lease(10.0) == Lease(0, 0, 0)
    assert other.take_lease(10.0) is None, "the first one is alive"
    world.clock.advance(11.0)
    assert other.take_lease(10.0) is None, "the silent one is ended, for next time"
    assert other.take_lease(10.0) == Lease(0, 0, 0)
    with pytest.raises((FencedError, ConnectionLostError)):
        world.store.claim(1, 1, Share(1, ANY_BYTES))
