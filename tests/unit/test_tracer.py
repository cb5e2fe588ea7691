"""How a transaction's events become traces, and what a watch counts of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from support.collector import values
from support.stream import trigger_row

from cdc_triggers.app.watch import EXEMPLAR_S, Watch
from cdc_triggers.core.attempt import Failure, FailureKind, Request, Response
from cdc_triggers.core.attempt_log import Times
from cdc_triggers.core.delivery import Delivery
from cdc_triggers.core.event import event_of
from cdc_triggers.core.hasura_event import PLACE, UNKNOWN_XID
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import Begin, Commit, LogRow
from cdc_triggers.core.records import Batch, ParkRow, Progress
from cdc_triggers.telemetry import tracer
from cdc_triggers.telemetry.propagation import propagators
from cdc_triggers.telemetry.sampler import sampler
from cdc_triggers.telemetry.semantics import Semantics
from cdc_triggers.telemetry.tracer import CHUNK_EVENTS, Tracer, trace_of
from cdc_triggers.testing import ManualClock, log_row, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cdc_triggers.core.event import Event
    from cdc_triggers.core.messages import Message

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SPEC = trigger_row(1, "key").revisions[0].spec
OK = Response(200, (), b"")


class Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


class World:
    def __init__(self, *, parenting: bool = False, **environ: str) -> None:
        self.made: list[bytes] = []
        self.lost = 0
        self.tracer = Tracer(
            self,
            Semantics("slot", parenting=parenting),
            sampler(environ),
            propagators({}),
            "slot",
            parenting=parenting,
        )

    def put(self, record: bytes) -> None:
        self.made.append(record)

    def lose(self) -> None:
        self.lost += 1

    def receive(self, messages: Sequence[Message], at: float = 1_000.0) -> None:
        for message in messages:
            self.tracer.received(message, at)

    def spans(self, operation: str = "") -> list[Any]:
        spans = ScopeSpans.FromString(b"".join(self.made)).spans
        return [span for span in spans if span.name.startswith(operation)]

    def received(self) -> list[Any]:
        return self.spans("receive ")


def counted(received: Sequence[Any]) -> list[Any]:
    """How many events each of the spans tells of."""
    return [values(span.attributes)["messaging.batch.message_count"] for span in received]


def place(span: Any) -> tuple[bytes, bytes]:
    return span.trace_id, span.span_id


def rows(count: int, writer: str | None = None, xid: int = 1) -> list[LogRow]:
    trace = None if writer is None else writer.encode()
    ids = (f"019a0000-0000-7000-8000-{n:012x}" for n in range(count))
    made = (log_row(each, new=b"{}", xid=xid) for each in ids)
    return [row._replace(trace=trace) for row in made]


def events(messages: Sequence[Message]) -> list[Event]:
    begin = messages[0]
    assert isinstance(begin, Begin)
    found = [message for message in messages if isinstance(message, LogRow)]
    return [event_of(row, begin.final_lsn, position) for position, row in enumerate(found)]


def delivery(event: Event) -> Delivery:
    return Delivery(1, 1, trigger_row(1, "key").revisions[0], event)


@pytest.mark.parametrize("parenting", [False, True])
@pytest.mark.parametrize("count", [1, CHUNK_EVENTS, CHUNK_EVENTS + 1, 2 * CHUNK_EVENTS + 5])
def test_every_attempt_of_a_transaction_is_below_the_receive_of_its_thousand(
    count: int, *, parenting: bool
) -> None:
    world = World(parenting=parenting)
    writer = f"00-{TRACE}-{PARENT}-01" if parenting else None
    messages = transaction(100, rows(count, writer), 1)
    world.receive(messages)
    received = world.received()
    assert sum(counted(received)) == count
    assert len(received) == -(-count // CHUNK_EVENTS)
    assert len(set(map(place, received))) == len(received)
    for attempting in (world, World(parenting=parenting)):  # the other is another process
        for event in events(messages):
            attempting.made.clear()
            span = attempting.tracer.begin(delivery(event), SPEC)
            attempting.tracer.ended(span, None, OK, Times(1.0, 1_001.0, 0.5), "delivered")
            [process] = attempting.spans()
            above = received[event.position // CHUNK_EVENTS]
            assert (process.trace_id, process.parent_span_id) == place(above)
            assert span.trace_id == above.trace_id.hex()
            found = trace_of("slot", event.commit_lsn, event.xid, event.id, event.position)
            assert (found == span.trace_id) is not parenting


def test_transactions_have_traces_of_their_own_and_are_confirmed_once() -> None:
    world = World()
    for number in range(1, 101):
        world.receive(transaction(number * 100, rows(1), number))
    assert len({span.trace_id for span in world.received()}) == 100
    assert len({span.span_id for span in world.received()}) == 100
    world.tracer.confirmed(Lsn(5_050), 1_001.0)
    world.tracer.confirmed(Lsn(5_050), 1_001.0)
    world.tracer.confirmed(Lsn(20_000), 1_002.0)
    confirmed = world.spans("confirm ")
    assert [(s.trace_id, s.parent_span_id) for s in confirmed] == [*map(place, world.received())]
    assert len({span.span_id for span in confirmed}) == 100
    told = [values(span.attributes)["cdc_triggers.lsn"] for span in confirmed]
    assert told == ["0/13BA"] * 50 + ["0/4E20"] * 50


def test_many_transactions_that_are_confirmed_together_leave_turns_to_others() -> None:
    world, count = World(), 3 * tracer.AT_ONCE
    for number in range(1, count + 1):
        world.receive(transaction(number * 100, rows(1), number))

    async def run() -> list[int]:
        world.tracer.confirmed(Lsn(count * 100), 1_001.0)  # all but the last
        made = []
        while (told := len(world.spans("confirm "))) < count - 1:
            made.append(told)
            await asyncio.sleep(0)
        return made

    assert asyncio.run(run()) == [tracer.AT_ONCE, 2 * tracer.AT_ONCE]
    world.receive(transaction(count * 200, rows(1), 1))
    world.tracer.confirmed(Lsn(count * 300), 1_002.0)
    assert len(world.spans("confirm ")) == count + 1


def test_at_the_end_what_was_left_for_later_turns_is_told() -> None:
    world, count = World(), tracer.AT_ONCE + 1
    for number in range(1, count + 1):
        world.receive(transaction(number * 100, rows(1), number))

    async def run() -> None:
        world.tracer.confirmed(Lsn(count * 200), 1_001.0)
        world.tracer.close()

    asyncio.run(run())
    assert len(world.spans("confirm ")) == count


def test_what_is_received_again_after_a_reconnect_is_confirmed_once() -> None:
    world = World()
    sent = [transaction(n * 100, rows(1), n) for n in range(1, 6)]
    for messages in sent:
        world.receive(messages)
    world.receive(transaction(600, rows(1), 6)[:-1])  # the connection is lost in the midst of it
    world.tracer.confirmed(Lsn(150), 1_001.0)
    for messages in sent[1:]:
        world.receive(messages)
    for confirmed in (350, 10_000):
        world.tracer.confirmed(Lsn(confirmed), 1_002.0)
    places = [(s.trace_id, s.parent_span_id) for s in world.spans("confirm ")]
    assert places == [place(span) for span in world.received()[:5]]


def test_after_a_failover_to_an_earlier_place_confirmations_go_on() -> None:
    world = World()
    world.receive(transaction(100, rows(1), 1))
    world.receive(transaction(9_000, rows(1), 2))  # the standby never had it
    world.receive(transaction(200, rows(1), 3))
    world.tracer.confirmed(Lsn(300), 1_001.0)
    world.tracer.confirmed(Lsn(10_000), 1_002.0)
    first, _, third = map(place, world.received())
    confirmed = world.spans("confirm ")
    assert [(s.trace_id, s.parent_span_id) for s in confirmed] == [first, third]
    assert {values(s.attributes)["cdc_triggers.lsn"] for s in confirmed} == {"0/12C"}


def test_events_are_in_the_same_trace_whatever_is_remembered_of_their_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracer, "PENDING", 3)
    world = World()
    sent = [transaction(n * 100, rows(1, xid=n), n) for n in range(1, 11)]
    for messages in sent:
        world.receive(messages)
    world.tracer.confirmed(Lsn(950), 1_001.0)
    for messages, received in zip(sent, world.received(), strict=True):
        [event] = events(messages)
        assert world.tracer.begin(delivery(event), SPEC).trace_id == received.trace_id.hex()


def test_a_confirmation_that_is_not_remembered_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer, "PENDING", 3)
    world = World()
    for number in range(1, 6):
        world.receive(transaction(number * 100, rows(1), number))
    world.tracer.confirmed(Lsn(10_000), 1_001.0)
    assert (len(world.spans("confirm ")), world.lost) == (3, 2)


def test_events_of_one_transaction_may_have_several_writers_traces() -> None:
    one, two = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE[::-1]}-{PARENT}-01"
    messages = transaction(100, [*rows(2, one), *rows(2, two), *rows(1)], 1)
    linked, below = World(), World(parenting=True)
    linked.receive(messages)
    below.receive(messages)
    [span] = linked.received()
    assert (counted([span]), len(span.links)) == ([5], 2)
    assert counted(below.received()) == [2, 2, 1]
    assert [span.trace_id.hex() for span in below.received()][:2] == [TRACE, TRACE[::-1]]


def test_a_writer_that_changes_its_state_and_not_its_span_has_one_receive_below_it() -> None:
    said = f'"trace_id":"{TRACE}","span_id":"{PARENT}","sampling_state":"1"'
    writers = (f'{{{said},"tracestate":"a=1"}}', f"{{{said}}}", f"00-{TRACE}-{PARENT}-01")
    world = World(parenting=True)
    messages = transaction(100, [row for each in writers for row in rows(1, each)], 1)
    world.receive(messages)
    [received] = world.received()
    assert (counted([received]), received.trace_state) == ([3], "a=1")
    for event in events(messages):
        span = world.tracer.begin(delivery(event), SPEC)
        world.tracer.ended(span, None, OK, Times(1.0, 1_001.0, 0.5), "delivered")
        process = world.spans("process ")[-1]
        assert (process.trace_id, process.parent_span_id) == place(received)
    world.tracer.confirmed(Lsn(200), 1_002.0)
    assert len(world.spans("confirm ")) == 1


def test_events_that_were_taken_over_have_traces_of_their_own() -> None:
    world = World()
    sent = [
        each._replace(commit_lsn=PLACE, xid=UNKNOWN_XID)
        for each in events(transaction(100, rows(5), 1))
    ]
    traces = [world.tracer.begin(delivery(each), SPEC).trace_id for each in sent]
    assert len(set(traces)) == 5
    assert traces == [trace_of("slot", PLACE, UNKNOWN_XID, e.id, e.position) for e in sent]
    again = sent[0]._replace(position=sent[0].position + CHUNK_EVENTS)
    assert world.tracer.begin(delivery(again), SPEC).trace_id == traces[0]


def test_unsampled_event_has_headers_that_say_so_and_leaves_no_span() -> None:
    world = World(OTEL_TRACES_SAMPLER="always_off")
    messages = transaction(100, rows(1), 1)
    world.receive(messages)
    [event] = events(messages)
    span = world.tracer.begin(delivery(event), SPEC)
    [(name, value)] = span.headers
    assert (name, value[-3:]) == ("traceparent", "-00")
    world.tracer.ended(span, None, OK, Times(1.0, 1_001.0, 0.5), "delivered")
    world.tracer.confirmed(Lsn(10_000), 1_002.0)
    assert world.made == []


def test_spans_say_nothing_of_what_is_in_the_row_the_session_or_the_request() -> None:
    world = World()
    [row] = rows(1)
    private = b'{"card":"4111"}'
    messages = transaction(100, [row._replace(old=private, new=private, session=private)], 1)
    world.receive(messages)
    [event] = events(messages)
    assert private in event
    span = world.tracer.begin(delivery(event), SPEC)
    request = Request("http://localhost/", (("authorization", "card"),), private, 1.0)
    answer = Response(200, (("x-answer", "card"),), private)
    world.tracer.ended(span, request, answer, Times(1.0, 1_001.0, 0.5), "delivered")
    world.tracer.confirmed(Lsn(10_000), 1_002.0)
    assert len(world.spans()) == 4
    assert b"card" not in b"".join(world.made)


def test_a_span_that_cannot_be_made_is_counted_and_nothing_else_is_lost() -> None:
    world = World()
    messages = transaction(100, rows(1), 1)
    world.receive(messages, at=-1.0)  # before 1970: OTLP has no such time
    world.receive(transaction(200, rows(1), 1))
    [event] = events(messages)
    span = world.tracer.begin(delivery(event), SPEC)
    world.tracer.ended(span, None, OK, Times(1.0, -1.0, 0.5), "delivered")
    assert (world.lost, len(world.spans())) == (2, 1)
    world.tracer.confirmed(Lsn(10_000), -1.0)
    assert (world.lost, len(world.spans())) == (3, 1)
    world.tracer.ended(span, None, OK, Times(1.0, 1.0, 0.5), "delivered")
    assert (world.lost, len(world.spans())) == (3, 2)


def park(trigger: str, status: str, tries: int) -> ParkRow:
    [event] = events(transaction(100, rows(1), 1))
    reason = "failed" if status == "parked" or tries else "condition"
    return ParkRow(
        token=1,
        trigger_id=1,
        trigger_name=trigger,
        revision=1,
        event=event,
        status=status,
        reason=reason,
        key=None,
        old_key=None,
        tries=tries,
        delay_s=0,
        hold_s=None,
        last_error=None,
    )


def test_watch_counts_from_the_commit_and_each_delivery_once() -> None:
    clock = ManualClock()
    watch = Watch(clock, Facts())
    now, wall = clock.monotonic(), clock.now()
    begin, row, commit = transaction(100, rows(1), 1)
    assert isinstance(begin, Begin)
    assert isinstance(commit, Commit)
    committed_us = int((wall - 2.0) * 1e6)
    watch.received(begin._replace(commit_us=committed_us), now)
    watch.received(row, now)
    watch.received(commit._replace(commit_us=committed_us), now)
    assert (watch.meter.events, watch.meter.transactions) == (1, 1)
    assert watch.meter.received_in.sum == pytest.approx(2.0, abs=1e-3)

    [event] = events([begin, row, commit])
    made = delivery(event)
    made.committed_at = committed_us / 1e6
    made.started = now + 1.0
    attempt = watch.begin(made, SPEC)
    made.tries += 1
    failed = Failure(FailureKind.TIMEOUT, "no answer within 1 s")
    watch.ended(attempt, failed, Times(now + 2.0, wall + 2.0, 0.5), "retry")
    attempt = watch.begin(made, SPEC)
    watch.ended(attempt, OK, Times(now + 3.0, wall + 3.0, 0.5), "delivered")
    meter = watch.meter.of(SPEC.name)
    assert meter.attempts == {"timeout": 1, "2xx": 1}
    assert (meter.delivered, meter.retried, meter.first_attempt.count) == (1, 1, 1)
    assert meter.first_attempt.sum == pytest.approx(3.0, abs=1e-3)
    assert meter.delivered_in.sum == pytest.approx(5.0, abs=1e-3)

    parks = (park("a", "parked", 1), park("a", "dead", 0), park("a", "dead", 3))
    progress = Progress(Lsn(1), Lsn(1), Lsn(1), None, None, 0)
    watch.wrote(Batch((), parks, (), progress), 0.01)
    assert watch.meter.of("a").parked == {"failed": 1}
    assert watch.meter.of("a").dead == 1  # of the other the last attempt counts
    assert watch.meter.batch_records.sum == 3


@pytest.mark.parametrize("exemplars", ["trace_based", "always_on"])
def test_exemplars_go_on_after_the_clock_was_set_back(exemplars: str) -> None:
    clock, world = ManualClock(), World()
    watch = Watch(clock, Facts(), world.tracer, exemplars)
    made = delivery(events(transaction(100, rows(1), 1))[0])
    for wall in (10_000.0, 10_000.5, 6_400.0, 6_400.9, 6_401.5):
        watch.ended(watch.begin(made, SPEC), OK, Times(made.started, wall, 0.5), "delivered")
        [found] = watch.meter.of(SPEC.name).attempt.exemplars.values()
        assert 0.0 <= wall - found.at < EXEMPLAR_S
