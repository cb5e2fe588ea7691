"""Plain REST: what the command line does, as calls."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cdc_triggers.app import document, redelivery
from cdc_triggers.app.admin import OWED, parse_since
from cdc_triggers.console import cleanup_rest, edits, json_body, trigger_value
from cdc_triggers.console.answers import Answer, ApiError, bad_request, json_answer, not_found
from cdc_triggers.console.operation import Operation, Parameter
from cdc_triggers.console.parameters import (
    BEFORE,
    DRY_RUN,
    EVENT,
    NAME,
    OF_TRIGGER,
    PAGE,
    SINCE,
)
from cdc_triggers.core.dead import DeadAsked
from cdc_triggers.core.plan import Change
from cdc_triggers.core.views import EventFilter
from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdc_triggers.app.admin import Administration
    from cdc_triggers.console.operation import Asked
    from cdc_triggers.core.views import EventLine

_WIDEST = 10_000
"""Lines of a single event that a page may grow to."""


def _status_of(*states: str) -> Parameter:
    return Parameter("status", "only in this state", {"type": "string", "enum": list(states)})


def status(asked: Asked) -> object:
    """Slot, stream and triggers."""
    with asked.backend.admin() as admin:
        return admin.status(asked.backend.slot)


def list_triggers(asked: Asked) -> object:
    """All applied triggers."""
    with asked.backend.admin() as admin:
        return {"triggers": [document.trigger(each) for each in admin.triggers()]}


def show_trigger(asked: Asked) -> object:
    """One trigger."""
    with asked.backend.admin() as admin:
        return document.trigger(admin.trigger(asked.path["name"]))


def put_trigger(asked: Asked) -> Answer:
    """Make a trigger, or change it.

    Raises:
        ApiError: with everything that is wrong.
    """
    name, given = asked.path["name"], json_body.loads(asked.body)
    if isinstance(given, dict) and given.setdefault("name", name) != name:
        raise bad_request("validation-failed", "the name is that of the path", "$.name")
    spec = trigger_value.read(given, "$", asked.backend.environment)
    plan = edits.run(asked.backend, [edits.put(spec, "$")])
    made = [change for change in Change if name in plan.names(change)]
    added = Change.ADDED in made
    with asked.backend.admin() as admin:
        value = {
            "change": made[-1].value if made else "unchanged",
            "trigger": document.trigger(admin.trigger(name)),
            "notes": [note for note in plan.notes if note.startswith(f"{name}: ")],
        }
    return json_answer(value, HTTPStatus.CREATED if added else HTTPStatus.OK)


def delete_trigger(asked: Asked) -> object:
    """Remove a trigger.

    Raises:
        ApiError: there is none.
    """
    name = asked.path["name"]
    try:
        edits.run(asked.backend, [edits.delete(name, "$")])
    except ApiError as error:
        raise not_found(error.message) if error.code == "not-exists" else error from error
    return {"name": name, "change": Change.REMOVED.value}


def pause(asked: Asked) -> object:
    """Park what a trigger matches."""
    return _set_paused(asked, paused=True)


def resume(asked: Asked) -> object:
    """Go on."""
    return _set_paused(asked, paused=False)


def _set_paused(asked: Asked, *, paused: bool) -> object:
    with asked.backend.admin() as admin:
        changed = admin.set_paused(asked.path["name"], paused=paused)
    return {"paused": paused, "changed": changed}


def invoke(asked: Asked) -> object:
    """Make a MANUAL event; the body is its row, as it stands.

    Raises:
        ApiError: it is not JSON.
    """
    try:
        payload = asked.body.decode() or "null"
    except UnicodeDecodeError as error:
        raise bad_request("invalid-json", f"the body is not JSON: {error}", "$.body") from error
    json_body.loads(payload.encode())
    with asked.backend.admin() as admin:
        return {"id": admin.invoke(asked.path["name"], payload)}


def list_events(asked: Asked) -> object:
    """A page of events by trigger, newest first."""
    state = asked.query["status"]
    lines, following = _page(asked, (state,))
    return {"events": lines, "next": following}


def list_deliveries(asked: Asked) -> object:
    """A page of what is owed, newest first."""
    state = asked.query["status"]
    lines, following = _page(asked, (state,) if state else OWED)
    return {"deliveries": lines, "next": following}


def show_event(asked: Asked) -> object:
    """One event, its deliveries and attempts."""
    with asked.backend.admin() as admin:
        return document.event(admin.event(asked.path["id"]))


def redeliver_event(asked: Asked) -> object:
    """Send one event again."""
    dry_run = asked.query["dry_run"]
    with asked.backend.admin() as admin:
        trigger = asked.query["trigger"]
        done = admin.redeliver([asked.path["id"]], trigger, dry_run=dry_run)
    return {**done._asdict(), "dry_run": dry_run}


def redeliver_dead(asked: Asked) -> object:
    """Send all dead deliveries of a trigger again."""
    dry_run = asked.query["dry_run"]
    with asked.backend.admin() as admin:
        name = admin.trigger(asked.path["name"]).name
    wanted = DeadAsked(name, None, _since(asked), None)
    with asked.backend.dead_letters(changing=not dry_run) as letters:
        done = redelivery.redeliver(
            letters, wanted, time.monotonic, lambda _: False, dry_run=dry_run
        )
    return {**done._asdict(), "dry_run": dry_run}


def _since(asked: Asked) -> datetime | None:
    text = asked.query["since"]
    try:
        return None if text is None else parse_since(text, datetime.now(UTC))
    except UsageError as error:
        message = f"since is {SINCE.about}"
        raise bad_request("validation-failed", message, "$.query.since") from error


def _page(asked: Asked, states: Sequence[str | None]) -> tuple[list[EventLine], str | None]:
    """Whole events: at most `limit` lines, unless a single event has more."""
    limit, since = asked.query["limit"], _since(asked)
    wanted = EventFilter(asked.query["trigger"], None, since, limit, asked.query["before"])
    with asked.backend.admin() as admin:
        while True:
            lines = _lines(admin, wanted._replace(limit=limit + 1), states)
            if len(lines) <= limit:
                return lines, None
            torn = lines[limit].id
            whole = [line for line in lines[:limit] if line.id != torn]
            if whole:
                return whole, whole[-1].id
            if limit >= _WIDEST:
                return lines, torn
            limit *= 10


def _lines(
    admin: Administration, wanted: EventFilter, states: Iterable[str | None]
) -> list[EventLine]:
    found = [line for each in states for line in admin.events(wanted._replace(status=each))]
    return sorted(found, key=lambda line: line.id, reverse=True)[: wanted.limit]


_LISTED = ("pending", "parked", "dead", "delivered", "archived")
_FILTER = (OF_TRIGGER, _status_of(*_LISTED), SINCE, PAGE, BEFORE)
_OWED_FILTER = (OF_TRIGGER, _status_of(*OWED), SINCE, PAGE, BEFORE)
_ANYTHING: dict[str, Any] = {"description": "any JSON; nothing is null"}
SPEC = {"$ref": "#/components/schemas/TriggerSpec"}

_T = "/api/triggers/{name}"
_E = "/api/events/{id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        *("GET", "/api/status", "getStatus", "status", "Slot, stream and triggers"),
        status,
        "Status",
    ),
    Operation(
        *("GET", "/api/triggers", "listTriggers", "triggers", "All applied triggers"),
        list_triggers,
        "TriggerList",
    ),
    Operation(
        *("GET", _T, "getTrigger", "triggers", "One trigger with its definition"),
        show_trigger,
        "Trigger",
        (NAME,),
    ),
    Operation(
        *("PUT", _T, "putTrigger", "triggers", "Make a trigger, or replace its definition"),
        put_trigger,
        "TriggerChange",
        (NAME,),
        body=SPEC,
    ),
    Operation(
        *("DELETE", _T, "deleteTrigger", "triggers", "Remove a trigger; what it owes is archived"),
        delete_trigger,
        "TriggerRemoval",
        (NAME,),
    ),
    Operation(
        *("POST", f"{_T}/pause", "pauseTrigger", "triggers", "Park what it matches from now on"),
        pause,
        "Pause",
        (NAME,),
    ),
    Operation(
        *("POST", f"{_T}/resume", "resumeTrigger", "triggers", "Send what was parked, and go on"),
        resume,
        "Pause",
        (NAME,),
    ),
    Operation(
        *("POST", f"{_T}/invoke", "invokeTrigger", "triggers", "Make a MANUAL event"),
        invoke,
        "EventId",
        (NAME,),
        body=_ANYTHING,
        body_may_lack=True,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        *("POST", f"{_T}/redeliver", "redeliverDead", "triggers", "Send all its dead ones again"),
        redeliver_dead,
        "Redelivery",
        (NAME,),
        (SINCE, DRY_RUN),
    ),
    Operation(
        *("GET", "/api/events", "listEvents", "events", "Events by trigger, newest first"),
        list_events,
        "EventList",
        query=_FILTER,
    ),
    Operation(
        *("GET", _E, "getEvent", "events", "One event, its deliveries and attempts"),
        show_event,
        "EventDetail",
        (EVENT,),
    ),
    Operation(
        *("POST", f"{_E}/redeliver", "redeliverEvent", "events", "Send it again under the same id"),
        redeliver_event,
        "Redelivery",
        (EVENT,),
        (OF_TRIGGER, DRY_RUN),
    ),
    Operation(
        *("GET", "/api/deliveries", "listDeliveries", "events", "What is parked, dead, archived"),
        list_deliveries,
        "DeliveryList",
        query=_OWED_FILTER,
    ),
    *cleanup_rest.OPERATIONS,
)


def by_path() -> dict[str, dict[str, Operation]]:
    """The methods of each path."""
    found: dict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in OPERATIONS:
        found[operation.path][operation.method] = operation
    return dict(found)
