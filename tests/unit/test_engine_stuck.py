"""What waits in memory behind a slow endpoint holds the WAL for seconds, not for as long."""

from __future__ import annotations

import pytest
from support.stream import OK, Row, Stream

from cdc_triggers.core import memory
from cdc_triggers.core.roster import STUCK_S


def inserts(*ids: int) -> list[Row]:
    return [Row("INSERT", None, n) for n in ids]


def reasons(stream: Stream) -> dict[str, str]:
    return {row.event.id: row.reason for row in stream.database.deliveries.values()}


def test_what_waits_for_a_place_behind_hanging_attempts_is_written_down() -> None:
    stream = Stream(["none"])
    stream.change(inserts(1, 2, 3, 4))
    stream.read(9)
    first, second = stream.take(), stream.take()
    assert first is not None
    assert second is not None
    assert stream.take() is None, "two may be in flight"
    stream.clock.advance(STUCK_S + 0.1)
    stream.tick()
    stream.write()
    assert reasons(stream) == {"e1": "slow", "e2": "slow", "e3": "overflow", "e4": "overflow"}
    assert stream.engine.ledger.unsettled == 0
    stream.finish(first, OK)
    stream.ask_claims()
    stream.settle_calls()
    third = stream.take()
    assert third is not None
    assert third.event.id == "e3"


def test_what_waits_in_a_lane_whose_attempts_are_each_quick_enough_is_written_down() -> None:
    stream = Stream(["key"])
    stream.change(inserts(*[1] * 9))
    stream.read(99)
    for _ in range(2):
        delivery = stream.take()
        assert delivery is not None
        stream.clock.advance(STUCK_S * 0.4)
        stream.tick()
        stream.finish(delivery, OK)
        stream.write()
    assert not reasons(stream)
    delivery = stream.take()
    assert delivery is not None
    stream.clock.advance(STUCK_S * 0.4)
    stream.tick()
    stream.write()
    assert set(reasons(stream)) == {f"e{n}" for n in range(3, 10)}
    assert stream.engine.ledger.unsettled == 0
    stream.finish(delivery, OK)
    stream.write()
    stream.ask_claims()
    stream.settle_calls()
    following = stream.take()
    assert following is not None
    assert following.event.id == "e4"


def test_what_waits_because_nothing_may_be_sent_is_not_written_down() -> None:
    stream = Stream(["key"])
    stream.change(inserts(1, 2, 3, 4))
    stream.read(9)
    stream.clock.advance(2 * STUCK_S)
    stream.tick()
    stream.write()
    assert not reasons(stream)


def take_all(stream: Stream) -> list[tuple[int, str]]:
    taken = []
    while (delivery := stream.take()) is not None:
        taken.append((delivery.trigger_id, delivery.event.id))
    return taken


@pytest.fixture
def behind_a_large_one(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Two triggers: a large delivery of the first hangs, the second has two and small ones."""
    monkeypatch.setattr(memory, "LARGE_BYTES", 4_000)
    stream = Stream(["none", "none"])
    stream.change(inserts(4, 4, 1))
    stream.read(9)
    first = stream.take()
    assert first is not None
    assert (first.trigger_id, first.event.id) == (1, "e1")
    return stream


def test_small_ones_behind_a_large_one_of_their_own_trigger_do_not_wait_with_it(
    behind_a_large_one: Stream,
) -> None:
    assert take_all(behind_a_large_one) == [(1, "e3"), (2, "e3")]


def test_large_ones_go_in_their_order_as_soon_as_there_is_room(behind_a_large_one: Stream) -> None:
    stream = behind_a_large_one
    take_all(stream)
    order = []
    for _ in range(4):
        (flying,) = [d for d in stream.in_flight.values() if d.event.id != "e3"]
        order.append((flying.trigger_id, flying.event.id))
        stream.finish(flying, OK)
        take_all(stream)
    assert order == [(1, "e1"), (2, "e1"), (1, "e2"), (2, "e2")]


def test_what_waits_behind_a_large_one_of_another_trigger_is_written_down(
    behind_a_large_one: Stream,
) -> None:
    stream = behind_a_large_one
    take_all(stream)
    stream.clock.advance(STUCK_S + 0.1)
    stream.tick()
    stream.write()
    assert stream.engine.ledger.unsettled == 0


def test_what_the_table_holds_already_may_wait_as_long_as_it_likes() -> None:
    stream = Stream(["none"])
    stream.change(inserts(1, 2, 3, 4))
    stream.read(9)
    stream.drain()
    stream.start()
    for _ in range(4):  # a claim brings few at first
        stream.ask_claims()
        stream.settle_calls()
    assert stream.take() is not None
    assert stream.take() is not None
    assert stream.take() is None
    stream.clock.advance(2 * STUCK_S)
    stream.tick()
    stream.write()
    claimed = [row.claimed_until is not None for row in stream.database.deliveries.values()]
    assert claimed == [True] * 4
