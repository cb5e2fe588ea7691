"""Events as they come in, and looking for some of them among millions."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.app.admin import parse_event_id, parse_since
from cdc_triggers.app.event_search import EventSearch, time_of
from cdc_triggers.console.pages import commands
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core.event_search import NEWEST, Found, Search
from cdc_triggers.errors import TooSlowError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.console.pages.action import Action
    from cdc_triggers.console.pages.form import Form
    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.core.event_search import FoundLine
    from cdc_triggers.core.views import TriggerView

LIMIT: Final = 50
_BUDGET_S: Final = 0.1
_LIVE_BUDGET_S: Final = 0.05
"""A page that stays open asks again and again: it searches less far each time."""

_MOST_TEXT: Final = 200
STATUSES: Final = ("pending", "delivered", "parked", "dead", "archived", "unmatched")
OPERATIONS: Final = ("INSERT", "UPDATE", "DELETE", "MANUAL")
KINDS: Final = {
    "pending": "busy",
    "delivered": "good",
    "parked": "warning",
    "dead": "bad",
    "archived": "idle",
    "unmatched": "idle",
}
"""How a state looks."""

_FILTERS: Final = ("trigger", "status", "op", "table", "key", "text", "since", "until")


class Row(NamedTuple):
    """A line of the list. `first`: of its event; the others of the same event follow it."""

    line: FoundLine
    kind: str
    first: bool


def fill(visit: Visit) -> Context:
    """A page of events, or what is wrong with what is asked for."""
    asked, before = visit.query, visit.query.get("before") or None
    found, problem, wrong = Found((), None, 0, cut=False), "", False
    with visit.backend.events() as events:
        triggers = events.triggers()
        try:
            wanted = wanted_of(asked, visit.now)
            before = parse_event_id(before) if before else None
            budget_s = _LIVE_BUDGET_S if visit.live else _BUDGET_S
            found = EventSearch(events, time.monotonic, LIMIT, budget_s).run(wanted, before)
        except (UsageError, TooSlowError) as error:
            problem = f"{error.message}: {error.hint}" if error.hint else error.message
            wrong = isinstance(error, UsageError)
    return {
        "rows": rows_of(found.lines),
        "found": found,
        "reached": reached(found),
        "problem": problem,
        "wrong": wrong,
        "still": wrong or before is not None or asked.get("live") == "off",
        "paged": before is not None,
        "searching": any(asked.get(name) for name in _FILTERS),
        "asked": {name: asked.get(name) for name in (*_FILTERS, "live")},
        "choices": choices(triggers, asked),
        "address": asked.address("/console/events", before=None, done=None),
        "command_line": command_of(asked),
    }


def wanted_of(asked: Form, now: datetime) -> Search:
    """The search that a page's address asks for.

    Raises:
        UsageError: a field makes no sense.
    """
    schema, dot, table = asked.get("table").rpartition(".")
    for name in ("text", "key", "table", "trigger"):
        if len(asked.get(name)) > _MOST_TEXT or "\0" in asked.get(name):
            raise UsageError(f"{name} is too long", hint=f"give {_MOST_TEXT} characters at most")
    return Search(
        trigger=asked.get("trigger") or None,
        status=asked.get("status") or None,
        op=asked.get("op") or None,
        schema=schema if dot else None,
        table=table or None,
        key=asked.get("key") or None,
        text=asked.text("text") if asked.get("text") else None,
        since=_time(asked, "since", "From", now),
        until=_time(asked, "until", "Until", now),
    )


def _time(asked: Form, name: str, label: str, now: datetime) -> datetime | None:
    text = asked.get(name)
    if not text:
        return None
    try:
        return parse_since(text, now)
    except UsageError as error:
        raise UsageError(f"{label}: {text!r} is not a time", hint=error.hint) from error


def rows_of(lines: Sequence[FoundLine]) -> list[Row]:
    """Lines with what the list needs to draw them."""
    rows, last = [], ""
    for line in lines:
        rows.append(Row(line, KINDS.get(line.status, "idle"), line.id != last))
        last = line.id
    return rows


def reached(found: Found) -> datetime | None:
    """The time up to which has been looked, if there may be more."""
    if found.before is None or found.before == NEWEST:
        return None
    return datetime.fromtimestamp(time_of(found.before), UTC)


def choices(triggers: Sequence[TriggerView], asked: Form) -> Context:
    """What may be chosen; what is asked for is among it also if it is there no more."""
    tables = dict.fromkeys(f"{t.schema_name}.{t.table_name}" for t in triggers)
    names = [t.name for t in triggers]
    if (name := asked.get("trigger")) and name not in names:
        names.append(name)
    if asked.get("table"):
        tables.setdefault(asked.get("table"))
    return {"trigger": names, "table": list(tables), "status": STATUSES, "op": OPERATIONS}


def command_of(asked: Form) -> str:
    """`events list` with what it knows of these filters."""
    status = asked.get("status")
    options = {"trigger": asked.get("trigger"), "since": asked.get("since")}
    options["status"] = status if status != "unmatched" else ""
    return commands.line("events", "list", **options)


PAGES = {"/events": Page("Events", "events", "events.html", fill, ("_events_rows.html",))}
ACTIONS: dict[str, Action] = {}
