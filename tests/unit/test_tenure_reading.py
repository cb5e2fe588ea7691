"""A tenure reads on when it may, a little at a time, and by the triggers that are applied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.tenures import World, run, until

from cdc_triggers.app import streamer
from cdc_triggers.app.intake import SLICE_S
from cdc_triggers.core.messages import Signal
from cdc_triggers.core.trigger_state import CAPACITY_BYTES
from cdc_triggers.testing import log_row, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from cdc_triggers.core.records import TriggerRow


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

        def sees(xid: int) -> bool:
            asked.append(xid)
            return asked.count(xid) == 3

        def load_triggers() -> Sequence[TriggerRow]:
            asked.append(None)
            return load()

        world.store.sees = sees  # type: ignore[method-assign]
        world.store.load_triggers = load_triggers  # type: ignore[method-assign]
        async with world.streaming():
            row = log_row("9.1", xid=9, new=b'{"id":1,"v":0}')
            world.source.feed(
                transaction(100, [Signal(b"reload")], xid=7),
                transaction(200, [Signal(b"reload")], xid=8),
                transaction(300, [row], xid=9),
            )
            await until(lambda: world.slot.confirmed == 308, world)
            assert asked == [None, 7, 7, 7, None, 8, 8, 8, None]

    run(scenario)


async def wait_in_vain(world: World, lease_s: float) -> None:
    """For longer than a lease, with a signal whose commit nobody sees."""
    world.source.feed(transaction(100, [Signal(b"reload")], xid=7))
    await until(lambda: "triggers.waiting" in world.facts.names, world)
    beaten_at = world.database.heartbeat_at + 2 * lease_s
    await until(lambda: world.database.heartbeat_at > beaten_at, world)


def test_a_commit_that_nobody_sees_for_longer_than_the_lease_is_told_and_costs_no_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lease_s = 1.0
    monkeypatch.setattr(streamer, "LEASE_S", lease_s)

    async def scenario() -> None:
        world = World()
        seen: set[int] = set()
        world.store.sees = lambda xid: xid in seen  # type: ignore[method-assign]
        async with world.streaming():
            await wait_in_vain(world, lease_s)
            assert "triggers.loaded" not in world.facts.names
            seen.add(7)
            await until(lambda: world.slot.confirmed == 108, world)
        assert world.facts.names.count("triggers.waiting") == 1
        assert "stream.interrupted" not in world.facts.names

    run(scenario)


def test_a_signal_that_was_not_followed_is_given_again_to_whoever_streams_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else what follows it would be matched by triggers from before it, and lost to the new one."""
    lease_s = 1.0
    monkeypatch.setattr(streamer, "LEASE_S", lease_s)

    async def scenario() -> None:
        world = World()
        seen: set[int] = set()
        applied = world.database.triggers.pop(1)

        def sees(xid: int) -> bool:
            return xid in seen

        world.store.sees = sees  # type: ignore[method-assign]
        async with world.streaming():
            await wait_in_vain(world, lease_s)
        assert world.slot.confirmed == 0

        world.renew("second")
        world.store.sees = sees  # type: ignore[method-assign]
        async with world.streaming():
            row = log_row("8.1", xid=8, new=b'{"id":1,"v":0}')
            world.source.feed(transaction(200, [row], xid=8))
            world.database.triggers[1] = applied
            seen.add(7)
            await until(lambda: world.slot.confirmed == 208, world)
            assert world.sent() == ["8.1"]

    run(scenario)
