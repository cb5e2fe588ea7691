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
from cdc_triggers.telemetry.notes import AttemptNote, ConfirmNote
from cdc_triggers.telemetry.semantics import TURN, Semantics
from cdc_triggers.testing import log_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.telemetry.notes import Note

REVISION = trigger_row(1, "key").revisions[0]
OTHER = REVISION.spec.model_copy(update={"webhook": "http://other.example/"})
"""Of the same name, as after an edit."""

GROUP = (b"t" * 16, b"r" * 8)


class Done(NamedTuple):
    """What an attempt did, and to what end."""

    spec: Trigger
    request: Request | None
    outcome: Outcome
    tries: int
    follows: str
    op: str
    table: bytes = b"items"

    def note(self, number: int) -> AttemptNote:
        row = log_row(f"019a0000-0000-7000-8000-{number:012x}", op=self.op, new=b"{}")
        row = row._replace(table_name=self.table)
        delivery = Delivery(1, 1, REVISION, event_of(row, Lsn(number), 0), now=1.0)
        note = AttemptNote(delivery, self.spec, GROUP, True)  # noqa: FBT003 - as the tracer does
        delivery.started, delivery.tries = 2.0, self.tries
        note.end(delivery, self.request, self.outcome, Times(3.0, 1_000.0, 0.5), self.follows)
        return note


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


def read(made: Semantics, notes: Sequence[Note]) -> list[Any]:
    return list(ScopeSpans.FromString(b"".join(made.batch(notes))).spans)


@pytest.mark.parametrize("kept", [semantics.CACHED, 7])
def test_attempts_that_differ_in_one_thing_are_not_told_as_the_same(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantics, "CACHED", kept)
    notes = [done.note(number) for number, done in enumerate(ALL * 2, 1)]
    alone = [span for note in notes for span in read(Semantics("slot"), [note])]
    assert read(Semantics("slot"), notes) == alone


def test_attempt_is_told_with_its_result_its_times_and_without_its_row() -> None:
    note = Done(OTHER, ALL[-1].request, Response(503, (), b"no"), 2, "retry", "INSERT").note(0x1F)
    assert note.delivery is None
    request, process = read(Semantics("slot"), [note])
    both = {
        "messaging.message.id": "019a0000-0000-7000-8000-00000000001f",
        "cdc_triggers.attempt": 2,
        "error.type": "503",
    }
    sent = {"http.response.status_code": 503, "http.request.resend_count": 1}
    assert values(request.attributes).items() >= (both | sent).items()
    done = {"cdc_triggers.lsn": "0/1F", "cdc_triggers.outcome": "retry"}
    assert values(process.attributes).items() >= (both | done).items()
    assert (request.start_time_unix_nano, request.end_time_unix_nano) == (999 * 10**9, 10**12)
    assert (process.start_time_unix_nano, process.end_time_unix_nano) == (998 * 10**9, 10**12)
    assert (request.span_id, request.parent_span_id) == (note.ids[:8], note.ids[8:])
    assert (process.span_id, process.parent_span_id) == (note.ids[8:], GROUP[1])
    assert request.trace_id == process.trace_id == GROUP[0]


def test_confirmations_of_a_note_have_ids_of_their_own() -> None:
    groups = [((bytes([n]) * 16, bytes([n]) * 8), "shop=1" if n % 2 else "") for n in range(1, 30)]
    spans = read(Semantics("slot"), [ConfirmNote(Lsn(1), 1.0, groups)] * (TURN + 1))
    assert len(spans) == 29 * (TURN + 1)
    assert len({span.span_id for span in spans}) == len(spans)
    told = [((s.trace_id, s.parent_span_id), s.trace_state) for s in spans]
    assert told == groups * (TURN + 1)
