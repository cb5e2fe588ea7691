"""One event: what changed, what became of it, and every attempt; sending it again."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.app import document
from cdc_triggers.app.admin import parse_event_id
from cdc_triggers.app.preview import Previewer, past
from cdc_triggers.console.answers import not_found
from cdc_triggers.console.pages import commands
from cdc_triggers.console.pages.action import Action, Done, Question, invalid
from cdc_triggers.console.pages.curl import curl, header
from cdc_triggers.console.pages.difference import MOST, difference
from cdc_triggers.console.pages.events import KINDS
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core.attempt import Request
from cdc_triggers.core.lsn import parse
from cdc_triggers.core.spec import Trigger
from cdc_triggers.core.trace import context_of
from cdc_triggers.settings import TRACE_CONTEXT_VARIABLE
from cdc_triggers.telemetry.redaction import redact
from cdc_triggers.telemetry.tracer import trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.core.event_search import FoundLine
    from cdc_triggers.core.views import AttemptView, DeliveryView, EventView, TriggerView

ATTEMPTS: Final = 25
_BODY: Final = 16 * 1024
_BUDGET_S: Final = 0.1
"""After so long no further request is made again: pages wait for it."""

_CURL_BODY: Final = 128 * 1024
TRACE_URL: Final = "CDC_TRIGGERS_TRACE_URL"
_OUTCOMES: Final = {"delivered": "good", "retry": "warning", "dead": "bad"}


class Delivery(NamedTuple):
    """What became of the event for one trigger; `owed` is None without a row of its own."""

    line: FoundLine
    kind: str
    owed: DeliveryView | None
    applied: bool


class Sent(NamedTuple):
    """The request of an attempt, made again from the event as the trigger is now.

    Attributes:
        url, headers: of it or of what is recorded, without credentials.
        curl: the same as a command; empty if there is none.
        body: of it, for people; cut if it is long.
        error: why it cannot be made again.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    curl: str = ""
    body: str = ""
    error: str = ""


class Answered(NamedTuple):
    """What came back. Headers are pairs; `error` is that of the response transform."""

    headers: tuple[tuple[str, str], ...]
    body: str
    truncated: bool
    error: str


class Step(NamedTuple):
    """One attempt in the timeline."""

    attempt: AttemptView
    kind: str
    sent: Sent
    answered: Answered | None


def id_of(visit: Visit) -> str:
    """The event of the address."""
    return parse_event_id(visit.path["id"])


def path_of(event_id: str) -> str:
    """The address of an event's page."""
    return f"/console/events/{event_id}"


def fill(visit: Visit) -> Context:
    """All that is known of an event; of its attempts a page."""
    event_id, before = id_of(visit), _before(visit)
    with visit.backend.events() as events:
        found = events.event(event_id)
        if found is None:
            raise not_found(
                f"there is no event {event_id}: check the id; "
                "the log keeps events only for the log_days of `retention`"
            )
        owed = {each.trigger: each for each in events.deliveries(event_id)}
        lines = events.lines([event_id])
        attempts = events.attempts(event_id, before, ATTEMPTS + 1)
        place = events.place(event_id)
        triggers = {view.name: view for view in events.triggers()}
    shown = attempts[:ATTEMPTS]
    context = context_of(found.trace.encode() if found.trace else None)
    return {
        "event": found,
        "key": next((line.key for line in lines), None),
        "difference": difference(found.old, found.new),
        "deliveries": [_delivery(line, owed, triggers) for line in lines if line.trigger],
        "steps": list(_steps(visit, found, shown, triggers)),
        "next": shown[-1].started_at.isoformat() if len(attempts) > ATTEMPTS else None,
        "paged": before is not None,
        "trace": context,
        "trace_url": _trace_url(visit, context.trace_id) if context else "",
        **_own_trace(visit, found, place),
        "commands": {"show": commands.line("events", "show", event_id)},
    }


def _before(visit: Visit) -> datetime | None:
    text = visit.query.get("before")
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise invalid("before is not a time") from error


def _own_trace(visit: Visit, found: EventView, place: tuple[str, int | None] | None) -> Context:
    """The trace of the event's deliveries, for a console that knows where traces can be seen.

    Without a position it is that of the first thousand events of the transaction.
    """
    parenting = visit.backend.environment.get(TRACE_CONTEXT_VARIABLE, "").strip() == "parent"
    below = parenting and context_of(found.trace.encode() if found.trace else None) is not None
    if place is None or below or not _trace_url(visit, ""):
        return {"own_trace": "", "own_trace_url": ""}
    lsn, position = place
    own = int(found.xid), found.id, position or 0
    trace_id = trace_of(visit.backend.slot, parse(lsn), *own)
    return {"own_trace": trace_id, "own_trace_url": _trace_url(visit, trace_id)}


def _trace_url(visit: Visit, trace_id: str) -> str:
    """Where the trace can be seen, if whoever runs this has said so."""
    template = visit.backend.environment.get(TRACE_URL, "").strip()
    if not template.startswith(("https://", "http://")) or "{trace_id}" not in template:
        return ""
    return template.replace("{trace_id}", trace_id)


def _delivery(
    line: FoundLine, owed: dict[str | None, DeliveryView], triggers: dict[str, TriggerView]
) -> Delivery:
    row = owed.get(line.trigger)
    return Delivery(line, KINDS.get(line.status, "idle"), row, (line.trigger or "") in triggers)


def _steps(
    visit: Visit,
    event: EventView,
    attempts: Sequence[AttemptView],
    triggers: dict[str, TriggerView],
) -> Iterator[Step]:
    large = len(event.old or "") + len(event.new or "") > MOST
    made = {} if large else _previewers(visit, {a.trigger for a in attempts}, triggers)
    began = time.monotonic()
    for attempt in attempts:
        sent = _recorded(attempt.request)
        if attempt.trigger not in triggers:
            sent = sent._replace(error="the trigger was removed: this is what was recorded")
        elif large or time.monotonic() - began > _BUDGET_S:
            sent = sent._replace(error="it takes too long to make this again for a page")
        else:
            sent = _sent(event, attempt, *made[attempt.trigger])
        kind = _OUTCOMES.get(attempt.outcome, "idle")
        yield Step(attempt, kind, sent, _answered(attempt.response))


def _previewers(
    visit: Visit, names: set[str], triggers: dict[str, TriggerView]
) -> dict[str, tuple[Previewer, Trigger]]:
    made = {}
    with visit.backend.pages() as pages:
        for name in names & triggers.keys():
            view = triggers[name]
            spec = Trigger.model_validate_json(view.definition)
            holds = pages.holds(view.schema_name, view.table_name)
            made[name] = Previewer(spec, {}, holds=holds), spec
    return made


def _sent(event: EventView, attempt: AttemptView, previewer: Previewer, spec: Trigger) -> Sent:
    request = previewer.of_event("", past(event), max(0, attempt.attempt - 1)).request
    if not isinstance(request, Request):
        return _recorded(attempt.request)._replace(error=request.message)
    names = spec.environment_names()
    return Sent(
        request.method,
        redact(request.url),
        tuple((name, header(name, value)) for name, value in request.headers),
        curl(request, names) if len(request.body) <= _CURL_BODY else "",
        _cut(document.pretty(request.body.decode("utf-8", "replace"))),
    )


def _recorded(text: str | None) -> Sent:
    """What the attempt log has: URL and headers as the trigger had them, no body."""
    got = json.loads(text) if text else {}
    got = got if isinstance(got, dict) else {}
    headers = []
    for each in got.get("headers") or ():
        value = each.get("value")
        value = f"{{{{{each.get('value_from_env')}}}}}" if value is None else str(value)
        headers.append((str(each.get("name")), header(str(each.get("name")), value)))
    return Sent(str(got.get("method", "")), redact(str(got.get("url", ""))), tuple(headers))


def _answered(response: str | None) -> Answered | None:
    if response is None:
        return None
    got = json.loads(response)
    if not isinstance(got, dict):
        return None
    headers = tuple(
        (str(each.get("name")), header(str(each.get("name")), str(each.get("value"))))
        for each in got.get("headers") or ()
        if isinstance(each, dict)
    )
    body = got.get("body")
    text = body if isinstance(body, str) else json.dumps(body)
    error = str(got.get("transform_error") or "")
    return Answered(headers, _cut(document.pretty(text or "")), bool(got.get("truncated")), error)


def _cut(text: str) -> str:
    if len(text) <= _BODY:
        return text
    return f"{text[:_BODY]}\N{HORIZONTAL ELLIPSIS}\n({len(text)} characters; `events show` has all)"


def redeliver(visit: Visit) -> Done:
    """Send it again: what is dead of it, or else what was delivered."""
    event_id, trigger = id_of(visit), visit.form.get("trigger") or None
    with visit.backend.admin() as admin:
        result = admin.redeliver([event_id], trigger, dry_run=False)
    return Done(_told(result.redelivered, result.already_parked), path_of(event_id))


def _told(count: int, parked: int) -> str:
    noun = "delivery" if count == 1 else "deliveries"
    text = f"{count} {noun} will be sent again." if count else "Nothing was put back."
    return f"{text} {parked} parked already and due to be retried." if parked else text


def ask(visit: Visit) -> Question:
    """How many would be sent again."""
    event_id, trigger = id_of(visit), visit.form.get("trigger") or None
    with visit.backend.admin() as admin:
        result = admin.redeliver([event_id], trigger, dry_run=True)
    facts = [("event", event_id), ("would be sent again", str(result.redelivered))]
    if trigger:
        facts.insert(1, ("only for", trigger))
    if result.already_parked:
        facts.append(("parked already, left alone", str(result.already_parked)))
    return Question(
        "Send this event again?",
        "The endpoint gets it once more under the same id, with tries from 0: it should know "
        "the id. Dead deliveries are sent; if there are none, the delivered ones.",
        "Send it again",
        path_of(event_id),
        tuple(facts),
    )


def command(visit: Visit) -> str:
    """The command that does the same."""
    return commands.line("events", "redeliver", id_of(visit), trigger=visit.form.get("trigger"))


PAGES = {"/events/{id}": Page("Event", "events", "event.html", fill, ("_event_state.html",), 3.0)}
ACTIONS = {"/events/{id}/redeliver": Action("event.redeliver", redeliver, command, ask=ask)}
