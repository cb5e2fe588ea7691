"""Changing one trigger: its text, then the diff that `apply` would run, then the change."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app import trigger_file, trigger_text
from cdc_triggers.app.trigger_file import LoadedTriggers
from cdc_triggers.console import edits
from cdc_triggers.console.answers import ApiError, not_found
from cdc_triggers.console.pages.action import Action, Done, Question, invalid
from cdc_triggers.console.pages.trigger import name_of, path_of
from cdc_triggers.console.pages.view import Page
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.core.plan import Plan
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.postgres.amending import State

_FILE = "text"
"""What places of problems begin with; a page says it as `line N`."""


class DiffLine(NamedTuple):
    """Attributes: `kind` is `ins`, `del` or empty: it is the same on both sides."""

    kind: str
    text: str


class Problem(NamedTuple):
    """What is wrong; `line` is None if it is about the text as a whole."""

    line: int | None
    text: str


def fill(visit: Visit) -> Context:
    """The text of what is applied."""
    name = name_of(visit)
    with visit.backend.amender() as amender:
        state = amender.current()
    text = trigger_text.write(applied(state, name))
    return {"name": name, "text": text, "version": str(state.version), "problems": ()}


def applied(state: State, name: str) -> Trigger:
    """The trigger as it is applied.

    Raises:
        ApiError: there is none.
    """
    if name not in state.triggers:
        raise not_found(f"there is no trigger {name!r}")
    return state.triggers[name]


def preview(visit: Visit) -> Question:
    """What would change; with something wrong the form again."""
    name = name_of(visit)
    if visit.form.get("again"):
        return _form_again(visit, [])
    try:
        spec = read(visit)
        with visit.backend.amender() as amender:
            state, plan = amender.preview(
                lambda state: [spec if each == name else t for each, t in state.triggers.items()]
            )
        before = applied(state, name)
        if str(state.version) != visit.form.get("version"):
            raise invalid("somebody has changed the triggers meanwhile: load the form anew")
        if str(before.table) != str(spec.table):
            raise invalid("the table of a trigger cannot be changed here: make a new trigger")
    except TriggerFileError as error:
        return _form_again(visit, [problem(each) for each in error.problems])
    except ApiError as error:
        return _form_again(visit, [Problem(None, error.message)])
    if plan.problems:
        return _form_again(visit, [problem(each) for each in plan.problems])
    return _asked(visit, before, spec, plan)


def _asked(visit: Visit, before: Trigger, spec: Trigger, plan: Plan) -> Question:
    """The diff, to be agreed to; a text that changes nothing leads back to the form."""
    if before == spec and plan.empty:
        return _form_again(visit, [Problem(None, "this is what is applied already")])
    name = name_of(visit)
    more = {
        "name": name,
        "diff": list(diff(trigger_text.write(before), trigger_text.write(spec))),
        "plan": plan,
        "locks": list(dict.fromkeys(each.lock for each in plan.statements if each.lock)),
    }
    question = Question(f"Apply this change of {name}?", "", "Apply it", path_of(name))
    return question._replace(template="edit_preview.html", more=more)


def _form_again(visit: Visit, problems: list[Problem]) -> Question:
    name = name_of(visit)
    more = {
        "name": name,
        "text": visit.form.text("text"),
        "version": visit.form.get("version"),
        "problems": problems,
    }
    question = Question(f"Edit {name}", "", "", path_of(name))
    return question._replace(template="edit.html", more=more)


def read(visit: Visit) -> Trigger:
    """The trigger that the text says.

    Raises:
        TriggerFileError: with everything that is wrong.
    """
    spec = trigger_file.load_text(visit.form.text("text"), _FILE)
    if spec.name != name_of(visit):
        raise TriggerFileError([f"{_FILE}:1: the name of a trigger cannot be changed"])
    loaded = LoadedTriggers((spec,), {spec.name: f"{_FILE}:1"})
    if problems := trigger_file.environment_problems(loaded, visit.backend.environment):
        raise TriggerFileError(problems)
    return spec


def apply(visit: Visit) -> Done:
    """Do it, if nobody has changed anything since the form was shown."""
    spec = read(visit)
    version = visit.form.get("version")
    if not version.isdigit():
        raise invalid("version is a number: load the form anew")
    edits.run(visit.backend, [edits.put(spec, "$")], int(version))
    return Done(f"Trigger {spec.name} is changed.", path_of(spec.name))


def diff(before: str, after: str) -> Iterator[DiffLine]:
    """All lines of both, marked."""
    kinds = {"+": "ins", "-": "del"}
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if not line.startswith("?"):
            yield DiffLine(kinds.get(line[0], ""), line)


def problem(text: str) -> Problem:
    """`text:12: what` with the line apart."""
    place, colon, what = text.partition(": ")
    file, _, line = place.partition(":")
    if file == _FILE and line.isdigit() and colon:
        return Problem(int(line), what)
    return Problem(None, text)


def _command(visit: Visit) -> str:
    del visit
    return "cdc-triggers apply -c triggers.yaml"


PAGES = {"/triggers/{name}/edit": Page("Edit", "triggers", "edit.html", fill)}
ACTIONS = {"/triggers/{name}/edit": Action("trigger.edit", apply, _command, ask=preview)}
