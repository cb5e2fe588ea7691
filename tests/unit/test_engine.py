"""Named cases of the engine; `tests/property/test_engine.py` has the interleavings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.stream import BAD, OK, Row, Stream, trigger_row

from cdc_triggers.core import engine as engine_module
from cdc_triggers.core import pressure, trigger_state
from cdc_triggers.testing import store as store_module

if TYPE_CHECKING:
    import pytest

    from cdc_triggers.core.delivery import Delivery

INSERT = Row("INSERT", None, 1)
OTHER = Row("INSERT", None, 2)


def taken(stream: Stream) -> list[Delivery]:
    found = []
    while (delivery := stream.take()) is not None:
        found.append(delivery)
    return found


def ids(deliveries: list[Delivery]) -> list[str]:
    return [delivery.event.id for delivery in deliveries]


def statuses(stream: Stream) -> dict[str, str]:
    return {row.event.id: row.reason for row in stream.database.deliveries.values()}


def feed(stream: Stream) -> list[Delivery]:
    """Claim what is due, and take it."""
    stream.ask_claims()
    stream.settle_calls()
    return taken(stream)


def test_a_delivery_settles_when_its_attempt_is_recorded_and_not_before() -> None:
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    (delivery,) = taken(stream)
    assert stream.finish(delivery, OK) == "delivered"
    assert stream.engine.ledger.settled == 0
    stream.write()
    assert stream.engine.ledger.settled == stream.engine.ledger.received > 0


def test_a_delivery_knows_its_commit_until_it_was_parked() -> None:
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    (delivery,) = taken(stream)
    assert delivery.committed_at == delivery.event.commit_lsn / 1e6  # as `transaction` has it
    assert stream.finish(delivery, BAD) == "retry"
    stream.write()
    stream.clock.advance(60.0)
    (again,) = feed(stream)
    assert again.event.id == delivery.event.id
    assert again.committed_at is None


def test_an_event_for_nobody_settles_with_its_commit() -> None:
    stream = Stream([])
    stream.change([INSERT])
    stream.read(9)
    assert stream.engine.ledger.settled == stream.engine.ledger.received > 0


def test_a_failed_delivery_parks_the_later_ones_of_its_key_and_others_pass() -> None:
    stream = Stream(["key"])
    stream.change([INSERT, INSERT, OTHER])
    stream.read(9)
    first, other = taken(stream)
    assert ids([first, other]) == ["e1", "e3"]
    stream.finish(first, BAD)
    stream.finish(other, OK)
    stream.write()
    assert statuses(stream) == {"e1": "failed", "e2": "behind"}
    assert stream.engine.ledger.unsettled == 0
    stream.clock.advance(2.0)
    (retried,) = feed(stream)
    assert (retried.event.id, retried.tries) == ("e1", 1)
    stream.finish(retried, OK)
    stream.write()
    assert ids(feed(stream)) == ["e2"]


def test_a_dead_delivery_holds_nobody_back() -> None:
    stream = Stream(["key"])
    stream.change([INSERT, INSERT])
    stream.read(9)
    for attempt in range(3):
        (delivery,) = taken(stream) or feed(stream)
        assert delivery.event.id == "e1"
        assert stream.finish(delivery, BAD) == ("dead" if attempt == 2 else "retry")
        stream.write()
        stream.clock.advance(2.0)
    assert ids(taken(stream) or feed(stream)) == ["e2"]
    (dead,) = [r for r in stream.database.deliveries.values() if r.status == "dead"]
    assert (dead.event.id, dead.tries) == ("e1", 3)


def test_a_retry_whose_write_came_after_the_next_claim_is_made_all_the_same() -> None:
    stream = Stream(["none"])
    stream.change([INSERT])
    stream.read(9)
    stream.finish(taken(stream)[0], BAD)
    stream.write()
    stream.clock.advance(2.0)
    stream.finish(feed(stream)[0], BAD)
    stream.ask_claims()
    stream.settle_calls()  # nothing is due yet, and what will be is not written yet
    stream.write()
    stream.clock.advance(2.0)
    assert ids(feed(stream)) == ["e1"]


def test_a_slow_attempt_is_written_down_and_holds_no_wal() -> None:
    stream = Stream(["key"])
    stream.change([INSERT, INSERT])
    stream.read(9)
    (slow,) = taken(stream)
    stream.clock.advance(engine_module.SLOW_S)
    stream.tick()
    stream.write()
    assert statuses(stream) == {"e1": "slow", "e2": "behind"}
    assert stream.engine.ledger.unsettled == 0
    assert feed(stream) == [], "its follower waits for it"
    stream.finish(slow, OK)
    stream.write()
    assert ids(feed(stream)) == ["e2"]
    assert set(statuses(stream)) == {"e2"}


def test_an_attempt_that_ends_while_it_is_written_down_is_logged_with_its_resolution() -> None:
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    (slow,) = taken(stream)
    stream.clock.advance(engine_module.SLOW_S)
    stream.tick()
    stream.finish(slow, OK)
    stream.write()
    assert stream.database.attempts == [], "else a crash now would repeat a recorded delivery"
    stream.write()
    assert [a.outcome for a in stream.database.attempts] == ["delivered"]
    assert statuses(stream) == {}


def test_a_drain_that_meets_an_attempt_just_ended_records_its_outcome() -> None:
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    (slow,) = taken(stream)
    stream.clock.advance(engine_module.SLOW_S)
    stream.tick()
    stream.ask_write()
    stream.finish(slow, OK)
    stream.drain()
    assert [a.outcome for a in stream.database.attempts] == ["delivered"]
    assert statuses(stream) == {}


def test_a_drain_confirms_everything_received() -> None:
    stream = Stream(["key"])
    stream.change([INSERT, INSERT, OTHER])
    stream.read(9)
    taken(stream)
    stream.drain()
    assert stream.slot.confirmed == stream.engine.ledger.received
    assert set(statuses(stream)) == {"e1", "e2", "e3"}


def overflown(monkeypatch: pytest.MonkeyPatch) -> tuple[Stream, Delivery]:
    """A stream whose only trigger has e1 in flight and was full for too long."""
    monkeypatch.setattr(trigger_state, "CAPACITY_EVENTS", 2)
    monkeypatch.setattr(trigger_state, "CAPACITY_PER_SLOT", 1)
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    (first,) = taken(stream)
    stream.change([INSERT, INSERT, INSERT])
    stream.read(9)
    assert not stream.engine.can_receive
    stream.clock.advance(pressure.PATIENCE_S)
    stream.tick()
    assert stream.engine.can_receive
    stream.read(9)
    return stream, first


def test_a_full_trigger_overflows_and_is_fed_from_the_table_in_order_until_it_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, delivery = overflown(monkeypatch)
    order = []
    for _ in range(4):
        order.append(delivery.event.id)
        stream.finish(delivery, OK)
        stream.write()
        stream.write()
        delivery = next(iter(taken(stream) or feed(stream)), delivery)
    assert order == ["e1", "e2", "e3", "e4"]
    feed(stream)
    stream.change([OTHER])
    stream.read(9)
    assert ids(taken(stream)) == ["e5"], "from the stream again"


def test_after_a_crash_in_an_overflow_the_attempt_in_flight_is_still_the_first_of_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, _ = overflown(monkeypatch)
    stream.write()
    stream.start()
    assert ids(feed(stream)) == ["e1"]


def test_with_too_many_parked_keys_everything_goes_through_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trigger_state, "BLOCKED_KEYS", 1)
    stream = Stream(["key"])
    stream.change([INSERT, OTHER])
    stream.read(9)
    for delivery in taken(stream):
        stream.finish(delivery, BAD)
    stream.change([Row("INSERT", None, 3)])
    stream.read(9)
    assert taken(stream) == []
    stream.write()
    assert statuses(stream)["e3"] == "overflow"


def test_a_trigger_dropped_with_deliveries_waiting_leaves_them_archived() -> None:
    stream = Stream(["key"])
    stream.change([INSERT, INSERT])
    stream.read(9)
    (first,) = taken(stream)
    del stream.database.triggers[1]
    stream.signal()
    stream.read(9)
    stream.settle_calls()
    stream.finish(first, BAD)
    stream.tick()
    stream.write()
    stream.write()
    assert set(statuses(stream)) == {"e1", "e2"}
    assert stream.engine.ledger.settled > 0
    assert feed(stream) == []


def test_a_paused_trigger_parks_and_its_resume_delivers_in_order() -> None:
    stream = Stream(["key"])
    stream.database.triggers[1] = stream.database.triggers[1]._replace(paused=True)
    stream.signal()
    stream.read(9)
    stream.settle_calls()
    stream.change([INSERT, INSERT])
    stream.read(9)
    stream.write()
    assert statuses(stream) == {"e1": "paused", "e2": "paused"}
    stream.database.triggers[1] = stream.database.triggers[1]._replace(paused=False)
    stream.signal()
    stream.read(9)
    stream.settle_calls()
    (first,) = feed(stream)
    stream.finish(first, OK)
    assert ids([first, *taken(stream)]) == ["e1", "e2"]


def test_what_was_recorded_before_a_crash_is_not_sent_again() -> None:
    stream = Stream(["key"])
    stream.change([INSERT, INSERT])
    stream.read(9)
    stream.finish(taken(stream)[0], OK)
    stream.write()
    stream.start()
    stream.read(9)
    assert ids(taken(stream)) == ["e2"]


def test_triggers_take_turns() -> None:
    stream = Stream(["none", "none"])
    stream.change([INSERT, INSERT])
    stream.read(9)
    assert [delivery.trigger_id for delivery in taken(stream)] == [1, 2, 1, 2]


def test_more_places_in_flight_are_taken_at_once() -> None:
    stream = Stream(["none"])
    stream.change([INSERT] * 4)
    stream.read(9)
    assert ids(taken(stream)) == ["e1", "e2"]
    stream.database.triggers[1] = trigger_row(1, "none", max_in_flight=3)
    stream.signal()
    stream.read(9)
    stream.settle_calls()
    assert ids(taken(stream)) == ["e3"], "nobody waits for an attempt to end"


def test_nobody_passes_a_claim_that_ran_out_while_its_retry_was_not_written_yet() -> None:
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    stream.finish(taken(stream)[0], BAD)
    stream.write()
    stream.clock.advance(5.0)
    (claimed,) = feed(stream)
    stream.change([Row("UPDATE", 1, 1)])
    stream.read(9)
    stream.write()
    stream.clock.advance(store_module.CLAIM_S + 1)
    stream.finish(claimed, BAD)
    claim_before_the_write(stream)
    assert everything_delivered(stream) == ["e1", "e2"]


def test_nobody_passes_a_slow_attempt_whose_hold_ran_out_before_its_result_was_written() -> None:
    stream = Stream(["key"])
    stream.change([INSERT])
    stream.read(9)
    (slow,) = taken(stream)
    stream.clock.advance(engine_module.SLOW_S)
    stream.tick()
    stream.write()
    stream.change([Row("UPDATE", 1, 1)])
    stream.read(9)
    stream.write()
    stream.clock.advance(100.0)
    stream.finish(slow, BAD)
    claim_before_the_write(stream)
    assert everything_delivered(stream) == ["e1", "e2"]


def claim_before_the_write(stream: Stream) -> None:
    """A claim that the store runs before the outbox reaches it."""
    stream.engine.roster.active[1].claim_at(stream.clock.monotonic())
    stream.ask_claims()
    stream.run_call()
    stream.ask_write()
    stream.settle_calls()


def everything_delivered(stream: Stream) -> list[str]:
    """Let all attempts succeed from now on; the events in the order of their attempts."""
    order: list[str] = []
    for _ in range(20):
        for delivery in taken(stream):
            order.append(delivery.event.id)
            stream.finish(delivery, OK)
        stream.write()
        stream.clock.advance(2.0)
        stream.tick()
        stream.ask_claims()
        stream.settle_calls()
    assert not stream.database.deliveries
    return order
