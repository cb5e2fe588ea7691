"""A trigger's condition and transforms, tried on past events before anybody applies them.

Nothing is sent and nothing is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cdc_triggers.app.admin import parse_event_id
from cdc_triggers.console.pages import commands, tried, trying
from cdc_triggers.console.pages.action import Action, Done, Question, invalid
from cdc_triggers.console.pages.trying import Mistake
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, Response
from cdc_triggers.core.spec import Trigger
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.console.pages.form import Form
    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.core.views import EventView
    from cdc_triggers.postgres.console_events import ConsoleEvents

EVENTS: Final = 5
_OFFERED: Final = 20
_WINDOW: Final = 5_000
_MOST_TEXT: Final = 200_000
_STATUSES: Final = range(100, 600)


class Typed(NamedTuple):
    """What stands in the form.

    Attributes:
        status, answer: what the endpoint would say, for the response transform.
    """

    condition: str = ""
    request_transform: str = ""
    response_transform: str = ""
    status: str = "200"
    answer: str = "{}"

    @classmethod
    def of(cls, form: Form) -> Typed:
        """As it was sent.

        Raises:
            ApiError: it is too much.
        """
        typed = cls(*(form.text(name) for name in cls._fields))
        if max(map(len, typed)) > _MOST_TEXT:
            raise invalid(f"a text has more than {_MOST_TEXT} characters")
        return typed

    @classmethod
    def applied(cls, spec: Trigger) -> Typed:
        """As the trigger is now."""
        return cls(spec.condition or "", *(trying.write(getattr(spec, k)) for k in trying.KINDS))

    def read(self) -> tuple[dict[str, Any], list[Mistake]]:
        """What it changes in a trigger, and what is wrong with it."""
        mistakes = trying.condition_mistakes(self.condition)
        changes: dict[str, Any] = {"condition": self.condition.strip() or None}
        for key in trying.KINDS:
            found = trying.read(key, getattr(self, key))
            if isinstance(found, list):
                mistakes += found
            else:
                changes[key] = found
        if isinstance(told := self.given(), Mistake):
            mistakes.append(told)
        return changes, mistakes

    def given(self) -> Response | Mistake | None:
        """The answer; None: nothing is made of one."""
        if not self.response_transform.strip():
            return None
        status = self.status.strip()
        if not (status.isascii() and status.isdigit() and int(status) in _STATUSES):
            return Mistake("answer", "the status is a number from 100 to 599", None)
        body = self.answer.encode("utf-8", "replace")
        if len(body) > RESPONSE_BODY_LIMIT:
            text = f"of an answer no more than {RESPONSE_BODY_LIMIT} bytes are read"
            return Mistake("answer", text, None)
        return Response(int(status), (), body)


def fill(visit: Visit) -> Context:
    """The form, with what is applied."""
    name = visit.query.get("trigger")
    with visit.backend.events() as events:
        names = [view.name for view in events.triggers()]
        name = name or (names[0] if names else "")
        offered = events.newest_of(name, _WINDOW, _OFFERED) if name in names else []
    typed = Typed.applied(_applied(visit, name)) if name else Typed()
    return {
        "names": names,
        "name": name,
        "offered": offered,
        "event": visit.query.get("event"),
        "typed": typed,
        "mistakes": (),
        "tried": None,
        "left_out": 0,
        "commands": _commands(name, visit.query.get("event"), typed),
    }


def _applied(visit: Visit, name: str) -> Trigger:
    with visit.backend.admin() as admin:
        return Trigger.model_validate_json(admin.trigger(name).definition)


def _commands(name: str, event: str, typed: Typed) -> list[str]:
    options = {"event": event or "<ID>"}
    if typed.response_transform.strip():
        options |= {"answer": "FILE", "status": typed.status}
    found = [commands.line("transform", "test", name, "--applied", **options)]
    if typed.condition and "\n" not in typed.condition:
        words = ("condition", "test", name, "--applied")
        found.append(commands.line(*words, event=event, expression=typed.condition))
    return found


def ask(visit: Visit) -> Question:
    """The form again, with what came of it."""
    form = visit.form
    typed = Typed.of(form)
    shown = fill(visit._replace(query=form))
    changes, mistakes = typed.read()
    made: list[tried.Tried] | None = None
    views: Sequence[EventView] = ()
    if not mistakes:
        spec = _applied(visit, form.get("trigger")).model_copy(update=changes)
        views = _views(visit, spec)
        given = typed.given()
        answer = given if isinstance(given, Response) else None
        try:
            made = list(tried.attempts(visit, spec, answer, views))
        except TriggerFileError as error:
            mistakes = [_of_table(each, typed.condition) for each in error.problems]
    more = {
        **shown,
        "typed": typed,
        "mistakes": mistakes,
        "tried": made,
        "left_out": len(views) - len(made or ()),
        "commands": _commands(form.get("trigger"), form.get("event"), typed),
    }
    return Question("Playground", "", "", "/console/playground", (), "playground.html", more)


def _of_table(problem: str, condition: str) -> Mistake:
    """A condition that is right by itself, and wrong on this table."""
    _, found, told = problem.rpartition("condition: ")
    place = trying.caret_in(problem, condition) or trying.caret_at_word(problem, condition)
    return Mistake("condition" if found or place else "request_transform", told or problem, place)


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


def run(visit: Visit) -> Done:
    """Nothing is ever done here."""
    del visit
    raise invalid("the playground changes nothing: there is nothing to confirm")


def _command(visit: Visit) -> str:
    return _commands(visit.form.get("trigger"), visit.form.get("event"), Typed())[0]


PAGES = {"/playground": Page("Playground", "playground", "playground.html", fill)}
ACTIONS = {"/playground": Action("playground", run, _command, ask=ask)}
