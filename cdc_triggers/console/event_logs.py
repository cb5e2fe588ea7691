"""Events and attempts as Hasura's API shows them: rows of its event log and of its invocations."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app.document import raw
from cdc_triggers.app.preview import past
from cdc_triggers.console.answers import bad_request
from cdc_triggers.core import payload
from cdc_triggers.core.shape import WHOLE, Shape, shape_of
from cdc_triggers.core.spec import Trigger
from cdc_triggers.core.views import EventFilter, EventLine, EventPayload, Invocation

if TYPE_CHECKING:
    from cdc_triggers.app.admin import Administration
    from cdc_triggers.core.columns import Holds
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.views import (
        AttemptView,
        DeliveryView,
        EventDetail,
        EventView,
        TriggerView,
    )
    from cdc_triggers.postgres.event_pages import EventPages
    from cdc_triggers.wiring.serving import Backend

PAGE_LIMIT = 1_000
DEPTH_LIMIT = 10_000
"""How far into a list an offset may lead: everything above it is read too."""

_STATUSES: dict[str | None, tuple[str | None, ...]] = {
    None: (None,),
    "pending": ("pending", "parked"),
    "processed": ("delivered", "dead"),
}
_VERSION = "2"


def check_page(limit: int, offset: int, path: str) -> None:
    """Nothing, if a page may be asked for so.

    Raises:
        ApiError: it is too long, or too far down.
    """
    if not 0 <= limit <= PAGE_LIMIT:
        raise bad_request("parse-failed", f"limit is from 0 to {PAGE_LIMIT}", f"{path}.limit")
    if not 0 <= offset <= DEPTH_LIMIT - limit:
        raise bad_request(
            "parse-failed", f"offset and limit are {DEPTH_LIMIT} at most", f"{path}.offset"
        )


def logs(
    backend: Backend, name: str, status: str | None, limit: int, offset: int
) -> list[dict[str, object]]:
    """A page of one trigger's events, newest first.

    Raises:
        NotFoundError: there is no such trigger.
    """
    with backend.admin() as admin:
        trigger = admin.trigger(name)
        wanted = [
            EventFilter(name, each, None, limit + offset)
            for each in _STATUSES[status]
            if limit + offset
        ]
        lines = [line for each in wanted for line in admin.events(each)]
    page = sorted(lines, key=lambda line: line.id, reverse=True)[offset : offset + limit]
    with backend.pages() as pages:
        found = pages.payloads([line.id for line in page], name)
        sent = _sent(trigger, pages)
    return [_log(line, found.get(line.id), sent) for line in page]


def invocations(backend: Backend, name: str, limit: int, offset: int) -> list[dict[str, object]]:
    """A page of one trigger's attempts, those for the newest event first.

    Raises:
        NotFoundError: there is no such trigger.
    """
    with backend.admin() as admin:
        trigger = admin.trigger(name)
    with backend.pages() as pages:
        page = pages.invocations(name, limit, offset)
        found = pages.payloads(sorted({each.event_id for each in page}), name)
        sent = _sent(trigger, pages)
    return [_invocation(each, found.get(each.event_id), sent) for each in page]


def by_id(backend: Backend, event_id: str, limit: int, offset: int) -> dict[str, object]:
    """One event with a page of its attempts, newest first.

    Hasura has a row per event and trigger, here it is a row per event: `event` is about the trigger
    that needs most to be looked at, `events` has all of them.

    Raises:
        NotFoundError: there is no such event.
    """
    with backend.admin() as admin:
        detail = admin.event(event_id)
        triggers = {trigger.name: trigger for trigger in admin.triggers()}
        lines = _lines(admin, detail)
    names = {*(line.trigger for line in lines), *(each.trigger for each in detail.attempts)}
    with backend.pages() as pages:
        sent = {n: _sent(triggers[n], pages) for n in names if n is not None and n in triggers}
    logged = [
        _log(line, _payload_of(detail, line.trigger), sent.get(line.trigger or ""))
        for line in lines
    ]
    attempts = sorted(detail.attempts, key=lambda a: a.started_at, reverse=True)
    return {
        "event": logged[0],
        "invocations": [
            _invocation(
                Invocation(detail.event.id, attempt),
                EventPayload(detail.event, None, None),
                sent.get(attempt.trigger),
            )
            for attempt in attempts[offset : offset + limit]
        ],
        "events": logged,
    }


def is_pending(admin: Administration, detail: EventDetail) -> bool:
    """True if nothing was attempted yet, and something will be."""
    return _lines(admin, detail)[0].status == "pending"


class _Sent(NamedTuple):
    """How a trigger sends: its spec, and what the columns of its table hold."""

    spec: Trigger
    holds: Holds[str]


def _sent(trigger: TriggerView, pages: EventPages) -> _Sent:
    spec = Trigger.model_validate_json(trigger.definition)
    return _Sent(spec, pages.holds(trigger.schema_name, trigger.table_name))


_ORDER = ("dead", "parked", "pending", "delivered", "archived", "unmatched")


def _lines(admin: Administration, detail: EventDetail) -> list[EventLine]:
    """What became of an event for each trigger: the worst first."""
    event = detail.event
    lines = [_line(event, each) for each in detail.deliveries]
    if not lines:
        newest = str(uuid.UUID(int=uuid.UUID(event.id).int + 1))
        wanted = EventFilter(None, "pending", event.created_at, PAGE_LIMIT, before=newest)
        lines.extend(each for each in admin.events(wanted) if each.id == event.id)
    if not lines:
        lines.append(
            EventLine(
                *(event.id, event.created_at, event.op, event.schema_name, event.table_name),
                *(event.trigger_name, "unmatched", 0, None),
            )
        )
    return sorted(lines, key=lambda line: (_ORDER.index(line.status), line.trigger or ""))


def _line(event: EventView, delivery: DeliveryView) -> EventLine:
    return EventLine(
        *(event.id, event.created_at, event.op, event.schema_name, event.table_name),
        *(delivery.trigger, delivery.status, delivery.tries, delivery.last_error),
    )


def _payload_of(detail: EventDetail, trigger: str | None) -> EventPayload:
    parked = next((d for d in detail.deliveries if d.trigger == trigger), None)
    if parked is None or parked.status != "parked":
        return EventPayload(detail.event, None, None)
    return EventPayload(detail.event, parked.claimed_until, parked.due_at)


def _log(line: EventLine, found: EventPayload | None, sent: _Sent | None) -> dict[str, object]:
    waits = found is not None and line.status == "parked"
    return {
        "id": line.id,
        "schema_name": line.schema_name,
        "table_name": line.table_name,
        "trigger_name": line.trigger,
        "payload": None if found is None else _payload(found, sent),
        "delivered": line.status == "delivered",
        "error": line.status == "dead",
        "tries": line.tries,
        "created_at": line.created_at,
        "locked": found.claimed_until if found is not None and waits else None,
        "next_retry_at": found.due_at if found is not None and waits and line.tries else None,
        "archived": line.status == "archived",
    }


def _payload(found: EventPayload, sent: _Sent | None) -> dict[str, object]:
    event = past(found.event)
    shape = _shape(event, sent)
    return {
        "op": event.op,
        "data": {"old": _row(event.old, shape), "new": _row(event.new, shape)},
        "session_variables": raw(payload.session_variables(event.session).decode()),
        "trace_context": raw(payload.trace_context(event.trace).decode()),
    }


def _shape(event: Event, sent: _Sent | None) -> Shape:
    return WHOLE if sent is None else shape_of(sent.spec, event.op, sent.holds)


def _row(row: bytes | None, shape: Shape) -> object:
    image = shape.image(row)
    return None if image is None else raw(image.decode())


def _invocation(
    made: Invocation, found: EventPayload | None, sent: _Sent | None
) -> dict[str, object]:
    attempt = made.attempt
    name = f"{made.event_id}/{attempt.trigger}/{attempt.started_at.isoformat()}"
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        "trigger_name": attempt.trigger,
        "event_id": made.event_id,
        "http_status": attempt.status,
        "request": _request(attempt, found, sent),
        "response": _response(attempt),
        "created_at": attempt.started_at,
    }


def _request(
    attempt: AttemptView, found: EventPayload | None, sent: _Sent | None
) -> dict[str, object]:
    recorded = _object(attempt.request)
    body = None
    if found is not None:
        event = past(found.event)
        retries = sent.spec.retry_conf.num_retries if sent is not None else 0
        made = payload.body(
            event, attempt.trigger, max(0, attempt.attempt - 1), retries, _shape(event, sent)
        )
        body = raw(made.decode())
    return {
        "payload": body,
        "headers": recorded.get("headers", []),
        "version": _VERSION,
        "method": recorded.get("method"),
        "url": recorded.get("url"),
    }


def _response(attempt: AttemptView) -> dict[str, object]:
    if attempt.response is None:
        message = attempt.error or "no answer"
        return {"type": "client_error", "data": {"message": message}, "version": _VERSION}
    got = _object(attempt.response)
    data = {key: got.get(key) for key in ("body", "headers", "status")}
    return {"type": "webhook_response", "data": data, "version": _VERSION}


def _object(text: str | None) -> dict[str, object]:
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}
