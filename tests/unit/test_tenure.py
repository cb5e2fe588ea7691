"""Streamer and Tenure on stand-ins: a real event loop, no network, no PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.tenures import World, run, until
from support.waiting import wait_until

from cdc_triggers.app.streamer import LEASE_S
from cdc_triggers.core.attempt import Response
from cdc_triggers.core.memory import ANY_BYTES, MIB, Share
from cdc_triggers.core.messages import Signal
from cdc_triggers.core.records import Lease
from cdc_triggers.errors import ConnectionLostError, FencedError, SlotBusyError, SlotError
from cdc_triggers.testing import FaultySender, MemoryStore, log_row, transaction

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.records import Batch, StartState

OK = Response(200, (), b"")
BAD = Response(500, (), b"")


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


def test_a_start_that_took_most_of_the_lease_leaves_it_whole() -> None:
    """Else a standby would take over from a leader that counts on a whole one and sends."""

    async def scenario() -> None:
        world = World()
        load = world.store.load_start

        def take_long(plugin: str) -> StartState:
            world.clock.advance(LEASE_S * 0.8)
            return load(plugin)

        world.store.load_start = take_long  # type: ignore[method-assign]
        async with world.streaming():
            world.insert(1)
            await until(lambda: world.sender.sent)
            assert world.database.heartbeat_at == world.clock.now()

    run(scenario)


def test_a_start_that_takes_longer_than_the_lease_does_not_end_it() -> None:
    """Whoever took over would have as much to read, and lose the lease to the first, for ever."""

    async def scenario() -> None:
        world = World()
        other = MemoryStore(world.database, world.slot, "other")
        load = world.store.load_start

        def take_long(plugin: str) -> StartState:
            world.clock.advance(LEASE_S * 2)
            assert other.take_lease(LEASE_S) is None
            return load(plugin)

        world.store.load_start = take_long  # type: ignore[method-assign]
        async with world.streaming():
            world.insert(1)
            await until(lambda: world.sender.sent)
            assert "stream.interrupted" not in world.facts.names
            assert world.database.heartbeat_at == world.clock.now(), "from here on as ever"

    run(scenario)


def test_a_stream_that_was_replaced_while_it_started_sends_nothing() -> None:
    async def scenario() -> None:
        world = World()
        load = world.store.load_start
        loads = 0

        def be_replaced(plugin: str) -> StartState:
            nonlocal loads
            loads += 1
            world.database.generation += loads == 1
            return load(plugin)

        world.store.load_start = be_replaced  # type: ignore[method-assign]
        end = world.insert(1)
        async with world.streaming():
            await until(lambda: world.slot.confirmed == end, world)
            assert loads == 2
            assert world.sent() == ["1.1"], "only by the one that leads"

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
