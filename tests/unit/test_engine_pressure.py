"""Who may hold up the reader, and for how long; and what giving way costs the others."""

from __future__ import annotations

import pytest
from support.stream import OK, Row, Stream

from cdc_triggers.core import parking, trigger_state
from cdc_triggers.core.pressure import BUDGET_S, PATIENCE_S

TAKEN = 2
"""`max_in_flight` of a trigger in these tests."""


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Two triggers that have all in flight that they may have, and as much queued as they may."""
    monkeypatch.setattr(trigger_state, "CAPACITY_EVENTS", 4)
    monkeypatch.setattr(trigger_state, "CAPACITY_PER_SLOT", 1)
    stream = Stream(["none", "none"])
    for rows in (TAKEN, 9):
        stream.change([Row("INSERT", None, 1)] * rows)
        stream.read(99)
        while stream.take() is not None:
            pass
    assert len(stream.in_flight) == 2 * TAKEN
    assert not stream.engine.can_receive
    return stream


def end_all(stream: Stream, trigger_id: int) -> None:
    """All that this trigger has in memory is delivered at once."""
    while mine := [d for d in stream.in_flight.values() if d.trigger_id == trigger_id]:
        for delivery in mine:
            stream.finish(delivery, OK)
        while stream.take() is not None:
            pass


def overflown(stream: Stream) -> set[int]:
    stream.write()
    return {r.trigger_id for r in stream.database.deliveries.values() if r.reason == "overflow"}


def test_who_has_enough_in_memory_does_not_wait_for_the_reader(full: Stream) -> None:
    full.clock.advance((BUDGET_S + PATIENCE_S) / 2)
    full.tick()
    assert not overflown(full)


def test_patience_ends_whoever_waits(full: Stream) -> None:
    full.clock.advance(PATIENCE_S)
    full.tick()
    assert overflown(full) == {1, 2}


def test_for_one_that_has_nothing_left_the_budget_counts(full: Stream) -> None:
    end_all(full, 2)
    full.clock.advance(BUDGET_S - 0.01)
    full.tick()
    assert not overflown(full)
    full.clock.advance(0.01)
    full.tick()
    assert overflown(full) == {1}


def test_one_that_is_fed_from_the_table_does_not_wait_for_the_reader(full: Stream) -> None:
    end_all(full, 2)
    full.engine.roster.active[2].spill()
    full.clock.advance((BUDGET_S + PATIENCE_S) / 2)
    full.tick()
    assert not overflown(full)


def test_one_after_the_other_gives_way_where_that_is_much_to_write(
    full: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "OUTBOX_PARKS", TAKEN)
    full.clock.advance(PATIENCE_S)
    full.tick()
    first = overflown(full)
    assert len(first) == 1
    full.tick()
    assert overflown(full) == {1, 2}


def test_while_much_is_being_parked_nothing_is_read(
    full: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.clock.advance(PATIENCE_S)
    full.tick()
    assert full.engine.can_receive
    monkeypatch.setattr(parking, "OUTBOX_PARKS", 2 * TAKEN)
    assert not full.engine.can_receive
    full.write()
    assert full.engine.can_receive


def test_who_delivered_well_until_then_gets_much_of_it_back_at_once(full: Stream) -> None:
    for delivery in list(full.in_flight.values()):
        if delivery.trigger_id == 1:
            full.finish(delivery, OK)
    full.clock.advance(PATIENCE_S)
    full.tick()
    full.write()
    sizes = dict(full.engine.claims_due(full.clock.monotonic()))
    assert sizes[1] > sizes[2]
