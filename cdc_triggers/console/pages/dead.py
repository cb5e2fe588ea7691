"""Dead letters: of what they died, and sending them again, one by one or all of a cause."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cdc_triggers.app.admin import parse_event_id
from cdc_triggers.console.pages import commands, redeliver
from cdc_triggers.console.pages.action import invalid
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core.cause import cause_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.core.dead import DeadError, DeadLine
    from cdc_triggers.postgres.dead_letters import DeadLetters

LIMIT: Final = 50
WINDOW: Final = 20_000
"""So many are looked at for their causes, shared among the triggers that have dead ones."""

_LEAST: Final = 500

_LOOKED_AT: Final = 1_000
_BUDGET_S: Final = 0.08
"""After so long no further ones are looked at."""


class Group(NamedTuple):
    """Deliveries of a trigger that died of the same.

    Attributes:
        share: of all that were looked at, from 0 to 1.
        more: not all of the trigger were looked at, so there may be more.
    """

    trigger: str
    cause: str
    amount: int
    share: float
    first_at: datetime | None
    last_at: datetime | None
    more: bool


class Listed(NamedTuple):
    """A page of dead deliveries. `after` is where the next one begins; None: there is no more."""

    lines: tuple[DeadLine, ...]
    after: tuple[datetime, str] | None
    looked_at: int


def fill(visit: Visit) -> Context:
    """The causes; of one trigger the dead deliveries too.

    Raises:
        ApiError: that is no name.
    """
    trigger = visit.query.get("trigger") or None
    if trigger is not None and "\0" in trigger:
        raise invalid("no trigger is called so")
    cause = visit.query.get("cause") or None
    context: Context = {
        "trigger": trigger,
        "cause": cause,
        "jobs": redeliver.jobs(visit),
        "listed": None,
        "groups": (),
        "paged": bool(visit.query.get("after")),
        "window": window(visit),
        "rate": redeliver.RATE,
    }
    if trigger is None:
        errors = visit.site.causes.errors(visit.backend, context["window"], live=visit.live)
        context["groups"] = groups(errors, context["window"])
    elif not visit.live:
        with visit.backend.dead_letters() as letters:
            context["listed"] = listed = page(letters, trigger, cause, _after(visit))
            context["next"] = _next(listed)
    context["command_line"] = commands.line("events", "list", status="dead", trigger=trigger or "")
    context["redeliver_line"] = redeliver.command_of(trigger or "", cause, "", redeliver.RATE)
    return context


def window(visit: Visit) -> int:
    """How many of each trigger are looked at."""
    latest = visit.site.history.latest
    if latest and latest.owed_at is None:
        return _LEAST
    having = sum(1 for owed in latest.owed.values() if owed.dead) if latest else 0
    return max(_LEAST, WINDOW // max(2, having))


def groups(errors: Sequence[DeadError], window: int) -> list[Group]:
    """Errors by cause, the largest group first; of each trigger `window` were looked at."""
    of_trigger = Counter[str]()
    for each in errors:
        of_trigger[each.trigger] += each.amount
    found: dict[tuple[str, str], list[DeadError]] = {}
    for each in errors:
        found.setdefault((each.trigger, cause_of(each.error)), []).append(each)
    total = of_trigger.total()
    made = []
    for (trigger, cause), members in found.items():
        amount = sum(each.amount for each in members)
        first = min((each.first_at for each in members if each.first_at), default=None)
        last = max((each.last_at for each in members if each.last_at), default=None)
        more = of_trigger[trigger] >= window
        made.append(Group(trigger, cause, amount, amount / total, first, last, more))
    return sorted(made, key=lambda group: (-group.amount, group.trigger, group.cause))


def page(
    letters: DeadLetters, trigger: str, cause: str | None, after: tuple[datetime, str] | None
) -> Listed:
    """Dead deliveries of a trigger, the last to die first; of a cause as far as is looked."""
    lines: list[DeadLine] = []
    looked_at = 0
    size = LIMIT + 1 if cause is None else _LOOKED_AT
    until = time.monotonic() + _BUDGET_S
    while len(lines) <= LIMIT and (not looked_at or time.monotonic() < until):
        newest = letters.newest(trigger, size, after)
        looked_at += len(newest)
        lines += [each for each in newest if cause is None or cause_of(each.last_error) == cause]
        if len(newest) < size:
            after = None
            break
        after = newest[-1].dead_at, newest[-1].id
    if len(lines) > LIMIT:
        lines = lines[:LIMIT]
        after = lines[-1].dead_at, lines[-1].id
    return Listed(tuple(lines), after, looked_at)


def _after(visit: Visit) -> tuple[datetime, str] | None:
    at, _, event_id = visit.query.get("after").partition("/")
    if not at:
        return None
    try:
        return datetime.fromisoformat(at), parse_event_id(event_id)
    except ValueError as error:
        raise invalid("after is no place in this list") from error


def _next(listed: Listed) -> str | None:
    return f"{listed.after[0].isoformat()}/{listed.after[1]}" if listed.after else None


_LIVE = ("_dead_jobs.html", "_dead_causes.html")
PAGES = {"/dead": Page("Dead letters", "dead", "dead.html", fill, _LIVE)}
ACTIONS: dict[str, Any] = redeliver.ACTIONS
