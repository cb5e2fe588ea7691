"""What attempts have in common is kept: each span is as if it were the first of its stream."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from support.collector import values
from support.stream import trigger_row

from cdc_triggers.core.attempt import Failure, FailureKind, Request, Response
from cdc_triggers.core.attempt_log import Times
from cdc_triggers.core.delivery import Delivery
from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.telemetry import semantics
from cdc_triggers.telemetry.attempt_span import AttemptSpan
from cdc_triggers.telemetry.group import Group
from cdc_triggers.telemetry.semantics import Semantics, place
from cdc_triggers.testing import log_row

if TYPE_CHECKING:
    from typing import Any

    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.spec import Trigger

REVISION = trigger_row(1, "key").revisions[0]
OTHER = REVISION.spec.model_copy(update={"webhook": "http://other.example/"})
"""Of the same name, as after an edit."""

TRACE, RECEIVED = b"t" * 16, b"r" * 8


class Done(NamedTuple):
    """What an attempt did, and to what end."""

    spec: Trigger
    request: Request | None
    outcome: Outcome
    tries: int
    follows: str
    op: str
    table: bytes = b"items"

    def span(self, number: int) -> AttemptSpan:
        row = log_row(f"019a0000-0000-7000-8000-{number:012x}", op=self.op, new=b"{}")
        row = row._replace(table_name=self.table)
        delivery = Delivery(1, 1, REVISION, event_of(row, Lsn(number), 0), now=1.0)
        delivery.started, delivery.tries = 2.0, self.tries
        group = Group(TRACE, RECEIVED, place(Lsn(number)))
        return AttemptSpan(delivery, self.spec, group, True)  # noqa: FBT003 - as the tracer does

    def told(self, made: Semantics, span: AttemptSpan) -> list[Any]:
        """The spans of this attempt."""
        times = Times(3.0, 1_000.0, 0.5)
        spans = made.attempted(span, self.request, self.outcome, times, self.follows)
        return list(ScopeSpans.FromString(b"".join(spans)).spans)


OUTCOMES: tuple[Outcome, ...] = (
    *(Response(200, (), b""), Response(503, (), b"")),
    *(Failure(FailureKind.DNS, "no such host"), Failure(FailureKind.DNS, "no answer")),
)

ALL = [
    Done(*done)
    for done in itertools.product(
        (REVISION.spec, OTHER),
        (None, Request("http://one/a", (), b"", 1.0), Request("http://two/", (), b"", 1.0, "PUT")),
        OUTCOMES,
        (1, 2),
        ("delivered", "retry"),
        ("INSERT", "DELETE"),
        (b"items", b"orders"),
    )
]


@pytest.mark.parametrize("kept", [semantics.CACHED, 7])
def test_attempts_that_differ_in_one_thing_are_not_told_as_the_same(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantics, "CACHED", kept)
    made = Semantics("slot")
    for number, done in enumerate(ALL * 2, 1):
        span = done.span(number)
        assert done.told(made, span) == done.told(Semantics("slot"), span)


def test_attempt_is_told_with_its_result_and_its_times() -> None:
    done = Done(OTHER, ALL[-1].request, Response(503, (), b"no"), 2, "retry", "INSERT")
    span = done.span(0x1F)
    request, process = done.told(Semantics("slot"), span)
    both = {
        "messaging.message.id": "019a0000-0000-7000-8000-00000000001f",
        "cdc_triggers.attempt": 2,
        "error.type": "503",
    }
    sent = {"http.response.status_code": 503, "http.request.resend_count": 1}
    assert values(request.attributes).items() >= (both | sent).items()
    ended = {"cdc_triggers.lsn": "0/1F", "cdc_triggers.outcome": "retry"}
    assert values(process.attributes).items() >= (both | ended).items()
    assert (request.start_time_unix_nano, request.end_time_unix_nano) == (999 * 10**9, 10**12)
    assert (process.start_time_unix_nano, process.end_time_unix_nano) == (998 * 10**9, 10**12)
    assert (request.span_id, request.parent_span_id) == (span.ids[:8], span.ids[8:])
    assert (process.span_id, process.parent_span_id) == (span.ids[8:], RECEIVED)
    assert request.trace_id == process.trace_id == TRACE


def test_confirmations_have_ids_of_their_own_and_the_state_of_their_writer() -> None:
    made = Semantics("slot")
    groups = [(Group(bytes([n]) * 16, bytes([n]) * 8, b""), n % 2) for n in range(1, 30)]
    told = [
        made.confirmed(group, "shop=1" if state else "", Lsn(1 + number // 20), 1.0)
        for number, (group, state) in enumerate(groups)
    ]
    spans = ScopeSpans.FromString(b"".join(told)).spans
    assert len({span.span_id for span in spans}) == len(groups)
    for span, (group, state) in zip(spans, groups, strict=True):
        assert (span.trace_id, span.parent_span_id) == (group.trace_id, group.span_id)
        assert span.trace_state == ("shop=1" if state else "")
    lsns = [values(span.attributes)["cdc_triggers.lsn"] for span in spans]
    assert lsns == ["0/1"] * 20 + ["0/2"] * 9
