"""What a trigger would do with past events: its condition, its request, what it would record.

It goes the stream's own way, with its limits; values from the environment stay names.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.app import document
from cdc_triggers.app.condition_trial import ConditionTrial, Verdict
from cdc_triggers.app.preview import Previewer, past
from cdc_triggers.console.pages import trying
from cdc_triggers.console.pages.curl import header
from cdc_triggers.core.attempt import Request
from cdc_triggers.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from cdc_triggers.console.pages.site import Visit
    from cdc_triggers.console.pages.trying import Caret
    from cdc_triggers.core.attempt import Recorded, Response
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.views import EventView

_BUDGET_S: Final = 0.5
"""After so long no further event is tried: pages wait for it."""

_SHOWN: Final = 64 * 1024
_VERDICTS: Final = {
    Verdict.TRUE: ("good", "condition: true"),
    Verdict.FALSE: ("idle", "condition: false"),
    Verdict.ERROR: ("bad", "condition: error"),
    Verdict.OTHER: ("idle", "not asked"),
}


class Body(NamedTuple):
    """Bytes for people. `size` is that of all; if they are cut, `text` is their beginning."""

    text: str
    size: int
    cut: bool


class Wire(NamedTuple):
    """What would be sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: Body


class Kept(NamedTuple):
    """What would be recorded of the answer: if the transform failed, the body as it came."""

    body: Body
    error: str
    caret: Caret | None


class Tried(NamedTuple):
    """What came of one event.

    Attributes:
        kind, word: what the condition says, as a badge; empty without a condition.
        reason: why it says so.
        wire: None if nothing would be sent, or a template failed: see `error`.
        caret: where in a template.
        kept: None if nothing would be sent, or no answer was given.
        took_ms: condition, body and templates.
    """

    id: str
    created_at: datetime
    op: str
    kind: str
    word: str
    reason: str
    wire: Wire | None
    error: str
    caret: Caret | None
    kept: Kept | None
    took_ms: float


def attempts(
    visit: Visit, spec: Trigger, answer: Response | None, views: Sequence[EventView]
) -> Iterator[Tried]:
    """One after the other, as far as time allows.

    Raises:
        TriggerFileError: the condition does not fit the table.
    """
    with visit.backend.past_events() as past_events:
        trial = ConditionTrial(past_events.trigger(spec))
    with visit.backend.pages() as pages:
        holds = pages.holds(spec.table.schema_name, spec.table.name)
    previewer = Previewer(spec, {}, answer, holds)
    texts = dict(trying.templates(spec))
    began = time.monotonic()
    for view in views:
        if time.monotonic() - began > _BUDGET_S:
            return
        yield _tried(view, spec, trial, previewer, texts)


def _tried(
    view: EventView,
    spec: Trigger,
    trial: ConditionTrial,
    previewer: Previewer,
    texts: dict[str, str],
) -> Tried:
    began = time.perf_counter()
    found = trial.of(view)
    kind, word = _VERDICTS[found.verdict]
    if spec.condition is None and found.verdict is not Verdict.OTHER:
        kind = word = ""
    wire, error, caret, kept = None, "", None, None
    if found.verdict is Verdict.TRUE or view.op == "MANUAL":
        preview = previewer.of_event("", past(view))
        if isinstance(preview.request, Request):
            wire = _wire(preview.request)
            kept = None if preview.recorded is None else _kept(preview.recorded, texts)
        else:
            error = preview.request.message
            caret = _caret(error, texts)
    took_ms = (time.perf_counter() - began) * 1000
    return Tried(
        *(view.id, view.created_at, view.op, kind, word, found.reason or ""),
        *(wire, error, caret, kept, took_ms),
    )


def _wire(request: Request) -> Wire:
    headers = tuple((name, header(name, value)) for name, value in request.headers)
    return Wire(request.method, redact(request.url), headers, _body(request.body))


def _kept(recorded: Recorded, texts: dict[str, str]) -> Kept:
    error = recorded.error or ""
    return Kept(_body(recorded.body), error, _caret(error, texts))


def _body(body: bytes) -> Body:
    text = body[:_SHOWN].decode("utf-8", "replace")
    cut = len(body) > _SHOWN
    return Body(text if cut else document.pretty(text), len(body), cut)


def _caret(error: str, texts: dict[str, str]) -> Caret | None:
    """Messages begin with the name of their template."""
    name = error.partition(", ")[0]
    return trying.caret_in(error, texts[name]) if name in texts else None
