"""What `condition test` does. Apart from its options, because it is slow to load."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import typer

from cdc_triggers import settings
from cdc_triggers.app.admin import lowest_id, parse_since
from cdc_triggers.app.condition_trial import ConditionTrial, Trial, totals
from cdc_triggers.cli import output
from cdc_triggers.cli.asked import Asked, spec_of
from cdc_triggers.core.cel.problems import InvalidConditionError
from cdc_triggers.core.condition import compiled
from cdc_triggers.errors import TriggerFileError, UsageError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.views import EventView
    from cdc_triggers.postgres.past_events import PastEvents


class Source(NamedTuple):
    """What to try it on: one event, or the newest since some time."""

    event: str | None
    since: str | None
    limit: int


def show(asked: Asked, source: Source, expression: str | None, *, as_json: bool) -> None:
    """Print what the condition says of each event, and how often it says what.

    Raises:
        UsageError: the options make no sense together, or there is no condition.
        TriggerFileError: the condition is not valid, or not on this table.
        NotFoundError: there is no such trigger or event.
        typer.Exit: with 1, if it fails on an event.
    """
    if source.event is not None and source.since is not None:
        raise UsageError("--event and --since", hint="give one of them")
    spec = _with(spec_of(asked), expression)
    dsn = settings.dsn(asked.dsn)
    with operating.open_past_events(dsn) as past:
        trial = ConditionTrial(past.trigger(spec))
        trials = [trial.of(view) for view in _views(dsn, spec, source, past)]
    counts = totals(trials)
    if as_json:
        output.print_json({"condition": spec.condition, "events": trials, "totals": counts})
    else:
        _print(trials)
        output.say(
            f"{len(trials)} events: {counts.true} true, {counts.false} false, "
            f"{counts.error} with an error, {counts.other} not asked about"
        )
    if counts.error:
        raise typer.Exit(1)


def _with(spec: Trigger, expression: str | None) -> Trigger:
    if expression is None:
        if spec.condition is None:
            raise UsageError(
                f"trigger {spec.name!r} has no condition",
                hint="try one with --expression 'new.status == \"paid\"'",
            )
        return spec
    try:
        compiled(expression)
    except InvalidConditionError as error:
        raise TriggerFileError(list(map(str, error.problems)), "--expression") from error
    return spec.model_copy(update={"condition": expression})


def _views(dsn: str, spec: Trigger, source: Source, past: PastEvents) -> Iterator[EventView]:
    with operating.open_admin(dsn) as admin:
        if source.event is not None:
            view = admin.event(source.event).event
            if (view.schema_name, view.table_name) != (spec.table.schema_name, spec.table.name):
                output.say(f"note: the event is of table {view.schema_name}.{view.table_name}")
            yield view
            return
        admin.triggers()  # says so if nothing is installed
    since = None if source.since is None else parse_since(source.since, datetime.now(UTC))
    yield from past.events(lowest_id(since), since, source.limit)


def _print(trials: list[Trial]) -> None:
    output.print_table(
        ("id", "created", "op", "key", "condition", "reason"),
        ((t.id, t.created_at, t.op, t.key, t.verdict.value, t.reason) for t in trials),
    )
