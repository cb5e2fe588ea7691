"""A trigger's condition and transform, tried on past events before anybody applies them.

Nothing is sent and nothing is changed. It goes the stream's own way, with its limits; values from
the environment stay names.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.app import document
from cdc_triggers.app.admin import parse_event_id
from cdc_triggers.app.condition_trial import ConditionTrial, Verdict
from cdc_triggers.app.preview import Previewer, past
from cdc_triggers.console.pages import commands, trying
from cdc_triggers.console.pages.action import Action, Done, Question, invalid
from cdc_triggers.console.pages.curl import header
from cdc_triggers.console.pages.trying import Mistake
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core.attempt import Request
from cdc_triggers.core.spec import Trigger
from cdc_triggers.errors import TriggerFileError
from cdc_triggers.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cdc_triggers.app.preview import Preview
    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.console.pages.trying import Caret
    from cdc_triggers.core.views import EventView
    from cdc_triggers.postgres.console_events import ConsoleEvents

EVENTS: Final = 5
_OFFERED: Final = 20
_WINDOW: Final = 5_000
_BUDGET_S: Final = 0.5
"""After so long no further event is tried: pages wait for it."""

_BODY: Final = 64 * 1024
_MOST_TEXT: Final = 200_000
_VERDICTS: Final = {
    Verdict.TRUE: ("good", "condition: true"),
    Verdict.FALSE: ("idle", "condition: false"),
    Verdict.ERROR: ("bad", "condition: error"),
    Verdict.OTHER: ("idle", "not asked"),
}


class Wire(NamedTuple):
    """What would be sent. `body` is for people, `size` is that of all of it."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str
    size: int
    cut: bool


class Tried(NamedTuple):
    """What came of one event.

    Attributes:
        kind, word: what the condition says, as a badge; empty without a condition.
        reason: why it says so.
        wire: None if nothing would be sent, or a template failed: see `error`.
        caret: where in a template.
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
    took_ms: float


def fill(visit: Visit) -> Context:
    """The form, with what is applied."""
    name = visit.query.get("trigger")
    with visit.backend.events() as events:
        names = [view.name for view in events.triggers()]
        name = name or (names[0] if names else "")
        offered = events.newest_of(name, _WINDOW, _OFFERED) if name in names else []
    spec = _applied(visit, name) if name else None
    return {
        "names": names,
        "name": name,
        "offered": offered,
        "event": visit.query.get("event"),
        "condition": (spec.condition or "") if spec else "",
        "transform": trying.write(spec.request_transform) if spec else "",
        "mistakes": (),
        "tried": None,
        "left_out": 0,
        "commands": _commands(name, visit.query.get("event"), spec.condition if spec else ""),
    }


def _applied(visit: Visit, name: str) -> Trigger:
    with visit.backend.admin() as admin:
        return Trigger.model_validate_json(admin.trigger(name).definition)


def _commands(name: str, event: str, condition: str | None) -> list[str]:
    found = [commands.line("transform", "test", name, "--applied", event=event or "<ID>")]
    if condition and "\n" not in condition:
        words = ("condition", "test", name, "--applied")
        found.append(commands.line(*words, event=event, expression=condition))
    return found


def ask(visit: Visit) -> Question:
    """The form again, with what came of it."""
    form = visit.form
    if max(len(form.text("condition")), len(form.text("transform"))) > _MOST_TEXT:
        raise invalid(f"a text has more than {_MOST_TEXT} characters")
    shown = fill(visit._replace(query=form))
    condition, text = form.text("condition"), form.text("transform")
    mistakes = trying.condition_mistakes(condition)
    transform = trying.read(text)
    if isinstance(transform, list):
        mistakes += transform
        transform = None
    tried: list[Tried] | None = None
    views: list[EventView] = []
    if not mistakes:
        applied = _applied(visit, form.get("trigger"))
        changed = {"condition": condition.strip() or None, "request_transform": transform}
        spec = applied.model_copy(update=changed)
        views = _views(visit, spec)
        try:
            tried = list(_try(visit, spec, views))
        except TriggerFileError as error:
            mistakes = [_of_table(each, condition) for each in error.problems]
    more = {
        **shown,
        "condition": condition,
        "transform": text,
        "mistakes": mistakes,
        "tried": tried,
        "left_out": len(views) - len(tried or ()),
        "commands": _commands(form.get("trigger"), form.get("event"), condition),
    }
    return Question("Playground", "", "", "/console/playground", (), "playground.html", more)


def _of_table(problem: str, condition: str) -> Mistake:
    """A condition that is right by itself, and wrong on this table."""
    _, found, told = problem.rpartition("condition: ")
    place = trying.caret_in(problem, condition) or trying.caret_at_word(problem, condition)
    return Mistake("condition" if found or place else "transform", told or problem, place)


def _views(visit: Visit, spec: Trigger) -> list[EventView]:
    """The event that is asked for, or the newest of the table.

    Raises:
        ApiError: it is of another table.
    """
    with visit.backend.events() as events:
        if not visit.form.get("event"):
            newest = events.newest_of(spec.name, _WINDOW, EVENTS)
            return [view for each in newest if (view := events.event(each[0])) is not None]
        return [_one(events, spec, parse_event_id(visit.form.get("event")))]


def _one(events: ConsoleEvents, spec: Trigger, event_id: str) -> EventView:
    view = events.event(event_id)
    if view is None:
        raise invalid(f"there is no event {event_id} any more")
    if (view.schema_name, view.table_name) != (spec.table.schema_name, spec.table.name):
        raise invalid(
            f"event {event_id} is of table {view.schema_name}.{view.table_name}, "
            f"and trigger {spec.name} of {spec.table}"
        )
    return view


def _try(visit: Visit, spec: Trigger, views: list[EventView]) -> Iterator[Tried]:
    with visit.backend.past_events() as past_events:
        trial = ConditionTrial(past_events.trigger(spec))
    with visit.backend.pages() as pages:
        holds = pages.holds(spec.table.schema_name, spec.table.name)
    previewer = Previewer(spec, {}, holds=holds)
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
    wire, error, caret = None, "", None
    if found.verdict is Verdict.TRUE or view.op == "MANUAL":
        preview = previewer.of_event("", past(view))
        wire, error = _wire(preview)
        caret = _caret(error, texts)
    took_ms = (time.perf_counter() - began) * 1000
    reason = found.reason or ""
    return Tried(view.id, view.created_at, view.op, kind, word, reason, wire, error, caret, took_ms)


def _wire(preview: Preview) -> tuple[Wire | None, str]:
    request = preview.request
    if not isinstance(request, Request):
        return None, request.message
    text = request.body[:_BODY].decode("utf-8", "replace")
    cut = len(request.body) > _BODY
    return (
        Wire(
            request.method,
            redact(request.url),
            tuple((name, header(name, value)) for name, value in request.headers),
            text if cut else document.pretty(text),
            len(request.body),
            cut,
        ),
        "",
    )


def _caret(error: str, texts: dict[str, str]) -> Caret | None:
    """Messages begin with the name of their template."""
    name = error.partition(", ")[0]
    return trying.caret_in(error, texts[name]) if name in texts else None


def run(visit: Visit) -> Done:
    """Nothing is ever done here."""
    del visit
    raise invalid("the playground changes nothing: there is nothing to confirm")


def _command(visit: Visit) -> str:
    return _commands(visit.form.get("trigger"), visit.form.get("event"), "")[0]


PAGES = {"/playground": Page("Playground", "playground", "playground.html", fill)}
ACTIONS = {"/playground": Action("playground", run, _command, ask=ask)}
