"""An endpoint that is down, or hangs, takes nothing from the others."""

from __future__ import annotations

import pytest
from support.stream import OK, Row, Stream

from cdc_triggers.core import reach, trigger_state
from cdc_triggers.core.attempt import Failure, FailureKind
from cdc_triggers.core.pressure import PATIENCE_S
from cdc_triggers.core.reach import TRIALS_S
from cdc_triggers.core.roster import STUCK_S
from cdc_triggers.core.trigger_state import STILL_S, STILL_TICKS

REFUSED = Failure(FailureKind.CONNECT, "connection refused")
DOWN, UP = 1, 2
TICK_S = 0.1


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a few events reach."""
    monkeypatch.setattr(trigger_state, "CAPACITY_EVENTS", 4)
    monkeypatch.setattr(trigger_state, "CAPACITY_PER_SLOT", 2)
    monkeypatch.setattr(reach, "MISSES", 2)
    monkeypatch.setattr(reach, "TRIALS", 1.0)


def inserts(stream: Stream, count: int) -> None:
    for _ in range(count):
        stream.change([Row("INSERT", None, 1)])
    stream.read(10 * count)


def attempt(stream: Stream, *, up: bool = True) -> dict[int, int]:
    """Make all attempts that may be made now; how many there were of each trigger."""
    made = {DOWN: 0, UP: 0}
    while (delivery := stream.take()) is not None:
        made[delivery.trigger_id] += 1
        stream.finish(delivery, OK if up or delivery.trigger_id == UP else REFUSED)
    stream.write()
    return made


def take_of(stream: Stream, trigger_id: int) -> None:
    """Attempts of this trigger run on; those of the other end well."""
    while (delivery := stream.take()) is not None:
        if delivery.trigger_id != trigger_id:
            stream.finish(delivery, OK)


def pass_time(stream: Stream, seconds: float, ticks: int = 1) -> None:
    for _ in range(ticks):
        stream.clock.advance(seconds / ticks)
        stream.tick()


def lose() -> Stream:
    """The endpoint of the first trigger is out of reach, and two more events have come."""
    stream = Stream(["none", "none"])
    inserts(stream, 2)
    assert attempt(stream, up=False) == {DOWN: 2, UP: 2}
    return stream


def test_an_endpoint_out_of_reach_is_tried_at_a_pace_and_the_other_gets_all_at_once() -> None:
    stream = lose()
    inserts(stream, 2)
    assert attempt(stream, up=False) == {DOWN: 1, UP: 2}
    assert attempt(stream, up=False) == {DOWN: 0, UP: 0}
    pass_time(stream, 1.1 / TRIALS_S)
    assert attempt(stream, up=False) == {DOWN: 1, UP: 0}


def test_what_gathers_for_it_is_parked_without_an_attempt_and_never_stops_the_reader() -> None:
    stream = lose()
    for _ in range(20):
        inserts(stream, 1)
        assert stream.engine.can_receive
        attempt(stream, up=False)
    assert stream.engine.ledger.unsettled <= stream.engine.roster.active[DOWN].lanes.queued
    reasons = [row.reason for row in stream.database.deliveries.values()]
    assert reasons.count("overflow") > 15
    assert {row.trigger_id for row in stream.database.deliveries.values()} == {DOWN}


def test_what_waits_for_its_trial_holds_no_wal() -> None:
    stream = lose()
    inserts(stream, 2)
    attempt(stream, up=False)
    assert stream.engine.roster.active[DOWN].lanes.queued == 1
    assert stream.engine.ledger.unsettled == 1
    pass_time(stream, STUCK_S + 0.1)
    stream.write()
    assert stream.engine.ledger.unsettled == 0


def test_when_it_is_there_again_it_gets_everything_at_once_in_the_order_of_the_stream() -> None:
    stream = lose()
    for _ in range(20):
        inserts(stream, 1)
        attempt(stream, up=False)
    pass_time(stream, 2.1)
    stream.ask_claims()
    stream.settle_calls()
    order, began = [], stream.clock.monotonic()
    for _ in range(40):
        while (delivery := stream.take()) is not None:
            order.append(delivery.event.id)
            stream.finish(delivery, OK)
        stream.write()
        stream.ask_claims()
        stream.settle_calls()
        pass_time(stream, 0.001)
    assert stream.clock.monotonic() - began < 22 / TRIALS_S
    assert set(order) == {f"e{n}" for n in range(1, 23)}
    assert not stream.database.deliveries


def test_from_the_table_nothing_is_fetched_beyond_what_can_be_tried() -> None:
    stream = lose()
    inserts(stream, 12)
    stream.write()
    for _ in range(5):
        stream.ask_claims()
        stream.settle_calls()
    assert stream.engine.roster.active[DOWN].lanes.queued <= 2


def test_a_change_of_the_trigger_gives_it_another_chance() -> None:
    stream = lose()
    assert stream.engine.roster.active[DOWN].reach.lost
    row = stream.database.triggers[DOWN]
    newer = row.revisions[0]._replace(number=2)
    stream.database.triggers[DOWN] = row._replace(revisions=(newer, *row.revisions))
    stream.signal()
    stream.read(9)
    stream.settle_calls()
    assert not stream.engine.roster.active[DOWN].reach.lost


def hang(ticks: int, seconds: float = STILL_S + 0.1) -> Stream:
    """Both attempts of the first trigger hang for so long; then more comes than its queue holds."""
    stream = Stream(["none", "none"])
    inserts(stream, 2)
    take_of(stream, DOWN)
    pass_time(stream, seconds, ticks)
    inserts(stream, 4)
    take_of(stream, DOWN)
    return stream


def test_a_full_queue_that_stands_still_never_stops_the_reader_while_others_have_work() -> None:
    stream = hang(STILL_TICKS)
    assert stream.engine.can_receive
    stream.write()
    reasons = {row.event.id: row.reason for row in stream.database.deliveries.values()}
    assert reasons == {f"e{n}": "slow" if n <= 2 else "overflow" for n in range(1, 7)}


def test_a_stop_ends_when_it_shows_that_the_queue_stands_still() -> None:
    stream = hang(1, STILL_S / 2)
    assert not stream.engine.can_receive
    pass_time(stream, STILL_S / 2 + 0.01, STILL_TICKS - 1)
    assert stream.engine.can_receive


def test_a_loop_that_stood_still_itself_blames_nobody() -> None:
    stream = hang(1, 10 * STILL_S)
    assert not stream.engine.can_receive
    assert not stream.database.deliveries


def test_alone_a_queue_may_stand_still_for_as_long_as_any() -> None:
    stream = Stream(["none"])
    inserts(stream, 2)
    take_of(stream, DOWN)
    pass_time(stream, STILL_S + 0.1, STILL_TICKS)
    inserts(stream, 4)
    assert not stream.engine.can_receive
    pass_time(stream, PATIENCE_S)
    assert stream.engine.can_receive


def test_a_hanging_endpoint_is_fetched_no_more_than_what_waits_for_it() -> None:
    stream = hang(STILL_TICKS)
    stream.write()
    for _ in range(5):
        stream.ask_claims()
        stream.settle_calls()
    assert stream.engine.roster.active[DOWN].lanes.queued == 2
