"""One trigger: how it does, what it owes; pause, resume, invoke."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cdc_triggers.app import document, trigger_text
from cdc_triggers.console.pages.action import Action, Done, Question, invalid
from cdc_triggers.console.pages.triggers import line_of
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core.spec import Trigger

if TYPE_CHECKING:
    from cdc_triggers.console.pages.site import Context, Visit

_LINES = 8


def name_of(visit: Visit) -> str:
    """The trigger of the address."""
    return visit.path["name"]


def path_of(name: str) -> str:
    """The address of a trigger's page."""
    return f"/console/triggers/{name}"


def fill(visit: Visit) -> Context:
    """The trigger and its last audit lines."""
    with visit.backend.admin() as admin:
        view = admin.trigger(name_of(visit))
    definition: dict[str, Any] = json.loads(view.definition)
    listens = {**definition, **definition.get("definition", {})}
    with visit.backend.audit() as audit:
        lines = audit.lines(_LINES, target=view.name)
    return {
        "view": view,
        "line": line_of(visit, view),
        "history": visit.site.history,
        "latest": visit.site.history.latest,
        "operations": [op for op in ("insert", "update", "delete") if listens.get(op)],
        "may_invoke": bool(listens.get("enable_manual")),
        "definition": _text(view.definition),
        "webhook": definition.get("webhook") or f"{{{{{definition.get('webhook_from_env', '')}}}}}",
        "retry": definition.get("retry_conf", {}),
        "lines": lines,
        "shown": definition,
    }


def _text(definition: str) -> str:
    """As in a trigger file; one of a newer version, which nobody here can read, as it is."""
    try:
        return trigger_text.write(Trigger.model_validate_json(definition))
    except ValidationError:
        return document.pretty(definition)


def set_paused(visit: Visit, *, paused: bool) -> Done:
    """Pause or resume."""
    name = name_of(visit)
    with visit.backend.admin() as admin:
        changed = admin.set_paused(name, paused=paused)
    word = "paused" if paused else "resumed"
    text = f"Trigger {name} is {word}." if changed else f"Trigger {name} was {word} already."
    return Done(text, path_of(name))


def ask_pause(visit: Visit) -> Question:
    """What a pause does."""
    name = name_of(visit)
    return Question(
        f"Pause {name}?",
        "From now on what it matches is parked and nothing is sent, until somebody resumes it. "
        "Nothing is lost, and no WAL is held.",
        "Pause it",
        path_of(name),
    )


def invoke(visit: Visit) -> Done:
    """Make a MANUAL event with the row of the form."""
    name, row = name_of(visit), visit.form.get("row") or "null"
    try:
        json.loads(row)
    except (ValueError, RecursionError) as error:
        raise invalid(f"the row is not JSON: {error}") from error
    with visit.backend.admin() as admin:
        event_id = admin.invoke(name, row)
    return Done(f"Event {event_id} was made for {name}.", f"/console/events/{event_id}")


def ask_invoke(visit: Visit) -> Question:
    """What an invocation does."""
    name = name_of(visit)
    return Question(
        f"Invoke {name} with this row?",
        "The endpoint is called as if this row had been written. No table changes.",
        "Invoke it",
        path_of(name),
        (("row", visit.form.get("row")[:500] or "null"),),
    )


def _command(verb: str) -> Any:
    return lambda visit: f"cdc-triggers triggers {verb} {name_of(visit)}"


def _invoke_command(visit: Visit) -> str:
    payload = shlex.quote(visit.form.get("row") or "null")
    return f"cdc-triggers triggers invoke {name_of(visit)} --payload {payload}"


PAGES = {
    "/triggers/{name}": Page(
        *("Trigger", "triggers", "trigger.html", fill, ("_trigger_state.html",), 5.0)
    )
}
ACTIONS = {
    "/triggers/{name}/pause": Action(
        "trigger.pause",
        lambda visit: set_paused(visit, paused=True),
        _command("pause"),
        ask=ask_pause,
    ),
    "/triggers/{name}/resume": Action(
        "trigger.resume", lambda visit: set_paused(visit, paused=False), _command("resume")
    ),
    "/triggers/{name}/invoke": Action(
        "trigger.invoke", invoke, _invoke_command, ask=ask_invoke, secret=frozenset({"row"})
    ),
}
