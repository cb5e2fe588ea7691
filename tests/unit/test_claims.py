"""How much is fetched from the table at once."""

from __future__ import annotations

import pytest
from support.stream import BAD, OK, Row, Stream

from cdc_triggers.core.trigger_state import ROUNDS
from cdc_triggers.testing.store import CLAIM_S

INSERT = Row("INSERT", None, 1)


def feed(stream: Stream) -> int:
    """What one claim brings."""
    before = len(stream.engine._held)
    stream.ask_claims()
    stream.settle_calls()
    return len(stream.engine._held) - before


@pytest.fixture
def backlog() -> Stream:
    """One chain of two hundred events, written down while the trigger was paused."""
    stream = Stream(("total",), remember=0)
    triggers = stream.database.triggers
    triggers[1] = triggers[1]._replace(paused=True)
    stream.signal()
    stream.read(10)
    stream.settle_calls()
    for _ in range(10):
        stream.change([INSERT] * 20)
    stream.read(1_000)
    stream.write()
    triggers[1] = triggers[1]._replace(paused=False)
    stream.signal()
    stream.read(10)
    stream.settle_calls()
    return stream


def deliver(stream: Stream, count: int) -> None:
    for _ in range(count):
        delivery = stream.take()
        assert delivery is not None
        stream.finish(delivery, OK)
    stream.write()


def test_claims_grow_while_all_goes_well_and_start_again_at_a_failure(backlog: Stream) -> None:
    sizes = []
    for _ in range(6):
        sizes.append(feed(backlog))
        deliver(backlog, sizes[-1])
    assert sizes == [2, 4, 8, 16, 32, 2 * ROUNDS]
    assert feed(backlog) == 2 * ROUNDS
    failing = backlog.take()
    assert failing is not None
    backlog.finish(failing, BAD)
    backlog.write()
    backlog.clock.advance(5.0)
    assert feed(backlog) <= 2


def test_what_is_claimed_again_while_it_is_here_is_not_sent_twice(backlog: Stream) -> None:
    """Its claim ran out: an hour with an endpoint that hangs, or with a machine that slept."""
    assert feed(backlog) == 2
    first = backlog.take()
    assert first is not None
    backlog.clock.advance(CLAIM_S + 1)
    backlog.ask_claims()
    backlog.settle_calls()
    assert len(backlog.engine._held) == 2
    backlog.finish(first, OK)
    second = backlog.take()
    assert second is not None
    assert second.event.id != first.event.id
    backlog.finish(second, OK)
    assert backlog.take() is None


def test_back_to_the_stream_a_park_that_is_not_written_still_holds_its_key() -> None:
    stream = Stream(("key",))
    triggers = stream.database.triggers
    triggers[1] = triggers[1]._replace(paused=True)
    stream.signal()
    stream.change([INSERT])
    stream.read(3)
    stream.settle_calls()
    stream.read(10)
    stream.write()
    triggers[1] = triggers[1]._replace(paused=False)
    stream.signal()
    stream.read(10)
    stream.settle_calls()
    stream.ask_claims()
    stream.run_call()
    stream.hear()
    stream.run_call()  # the table has said what remains, and nobody has heard it yet
    (second,) = stream.change([Row("INSERT", None, 2)])
    stream.read(10)
    assert stream.engine.roster.active[1].spilling
    stream.hear()
    assert not stream.engine.roster.active[1].spilling
    (third,) = stream.change([Row("INSERT", None, 2)])
    stream.read(10)
    going = {d.event.id for d in iter(stream.take, None)}
    assert not going & {second, third}
    stream.write()
    assert {r.event.id for r in stream.database.parked(1)} >= {second, third}
