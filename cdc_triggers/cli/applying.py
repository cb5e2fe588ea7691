"""What `diff` and `apply` do. Apart from their options, because it is slow to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

from cdc_triggers import settings
from cdc_triggers.app import trigger_file
from cdc_triggers.cli import consent, output
from cdc_triggers.core.plan import Change
from cdc_triggers.errors import TriggerFileError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cdc_triggers.app.trigger_file import LoadedTriggers
    from cdc_triggers.core.plan import Plan, Statement
    from cdc_triggers.postgres.capture import Installer

_MARKS = {
    Change.ADDED: ("+", "green"),
    Change.CHANGED: ("~", "yellow"),
    Change.REMOVED: ("-", "red"),
}


class Asked(NamedTuple):
    """Which files shall be in which database."""

    files: tuple[Path, ...]
    dsn: str
    slot: str
    plugin: str
    replace_hasura: bool


class How(NamedTuple):
    """The switches of `apply`."""

    yes: bool
    dry_run: bool
    verbose: bool


def diff(asked: Asked, *, check_environment: bool) -> Plan:
    """What apply would do.

    Raises:
        TriggerFileError: it can not be applied.
    """
    loaded = trigger_file.load(asked.files)
    with operating.open_installer(asked.dsn, asked.slot, asked.plugin) as installer:
        return _plan(installer, loaded, asked, check_environment=check_environment)


def apply(asked: Asked, how: How, *, check_environment: bool) -> None:
    """Show what is to be done, ask, do it.

    Raises:
        TriggerFileError: it can not be applied.
    """
    loaded = trigger_file.load(asked.files)
    with operating.open_installer(asked.dsn, asked.slot, asked.plugin) as installer:
        plan = _plan(installer, loaded, asked, check_environment=check_environment)
        print_plan(plan, verbose=how.verbose)
        if how.dry_run:
            return
        if plan.empty:
            installer.reload()
            return
        consent.require("Apply this?", yes=how.yes)
        result = installer.apply(plan)
    counts = ", ".join(f"{len(result.plan.names(change))} {change.value}" for change in Change)
    made = f"; slot {asked.slot} created" if result.slot_created else ""
    output.say(f"applied: {counts}{made}")


def _plan(
    installer: Installer, loaded: LoadedTriggers, asked: Asked, *, check_environment: bool
) -> Plan:
    """The plan, if it can be applied.

    Raises:
        TriggerFileError: with all that is wrong, in the environment and against the database.
    """
    problems: list[str] = []
    if check_environment:
        problems += trigger_file.environment_problems(loaded, settings.environment())
    plan = installer.plan(
        loaded.triggers,
        loaded.sources,
        replace_hasura=asked.replace_hasura,
        retention=loaded.retention,
    )
    problems += plan.problems
    if problems:
        raise TriggerFileError(problems)
    return plan


def print_plan(plan: Plan, *, verbose: bool) -> None:
    """Triggers, the SQL in its order, and then each lock once; notes go to stderr."""
    for note in plan.notes:
        output.say(f"note: {note}")
    if plan.empty:
        output.say("nothing to change: the database is as the trigger file says")
        return
    for change in plan.changes:
        mark, colour = _MARKS[change.change]
        table = f" on {change.resolved.relation}" if change.resolved else ""
        typer.echo(typer.style(f"{mark} trigger {change.name}{table}", fg=colour))
    if not plan.statements:
        typer.echo("no SQL on your tables: only rows in schema cdc_triggers change")
        return
    typer.echo(
        "SQL (N stands for the number of a table that is new here):" if plan.numbers else "SQL:"
    )
    for line in _sql_lines(plan, verbose=verbose):
        typer.echo(f"  {line}")
    locks = dict.fromkeys(statement.lock for statement in plan.statements if statement.lock)
    for lock in locks:
        typer.echo(f"lock: {lock}")


def _sql_lines(plan: Plan, *, verbose: bool) -> Iterator[str]:
    """The SQL, or for what is long and always the same a line that says what it does."""
    for statement in plan.statements:
        if verbose or not statement.summary:
            yield from _without_remarks(statement)
        else:
            yield f"({statement.summary}: --verbose shows it)"


def _without_remarks(statement: Statement) -> Iterator[str]:
    lines = [
        line.rstrip()
        for line in statement.sql.splitlines()
        if line.strip() and not line.lstrip().startswith("--")
    ]
    yield from lines[:-1]
    yield lines[-1].removesuffix(";") + ";"


def print_document(plan: Plan) -> None:
    """The same as one JSON document, with all SQL in full."""
    output.print_json(
        {
            "drift": not plan.empty,
            "changes": [{"trigger": c.name, "change": c.change.value} for c in plan.changes],
            "statements": plan.statements,
            "notes": plan.notes,
        }
    )
