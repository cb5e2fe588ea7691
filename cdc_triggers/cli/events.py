"""`cdc-triggers events`: find events, see all about one, send them again."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.app import document
from cdc_triggers.app.admin import parse_since
from cdc_triggers.cli import output
from cdc_triggers.cli.options import (
    MOST_LINES,
    Dsn,
    Json,
    Since,
)
from cdc_triggers.core.dead import DeadAsked
from cdc_triggers.core.views import EventFilter
from cdc_triggers.errors import UsageError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from cdc_triggers.core.views import AttemptView, EventDetail, EventView, Redelivery

app = typer.Typer(help="Find events, see their attempts, send them again.", no_args_is_help=True)


class Status(StrEnum):
    """What has become of an event for one trigger."""

    PENDING = "pending"
    PARKED = "parked"
    DEAD = "dead"
    DELIVERED = "delivered"
    ARCHIVED = "archived"


Trigger = Annotated[
    str | None,
    typer.Option("--trigger", metavar="NAME", show_default=False, help="Only for this trigger."),
]
StatusOption = Annotated[
    Status | None, typer.Option("--status", show_default=False, help="Only in this state.")
]


@app.command("list")
def list_events(
    *,
    trigger: Trigger = None,
    status: StatusOption = None,
    since: Since = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST_LINES, help="Lines at most.")
    ] = 50,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """List events by trigger, newest first."""
    wanted = EventFilter(trigger, status and status.value, _since(since), limit)
    with operating.open_admin(settings.dsn(dsn)) as admin:
        lines = admin.events(wanted)
    if as_json:
        output.print_json(lines)
        return
    output.print_table(
        ("id", "created", "op", "table", "trigger", "status", "tries", "last error"),
        (
            (
                line.id,
                line.created_at,
                line.op,
                f"{line.schema_name}.{line.table_name}",
                line.trigger,
                line.status,
                line.tries,
                line.last_error,
            )
            for line in lines
        ),
    )


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Id of an event.")],
    *,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show one event, its deliveries, and every attempt with request and response."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        detail = admin.event(event_id)
    if as_json:
        output.print_json(document.event(detail))
        return
    _print_event(detail.event)
    _print_deliveries(detail)
    for attempt in detail.attempts:
        _print_attempt(attempt)


@app.command()
def redeliver(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Ids of events to send again.")
    ] = None,
    *,
    trigger: Trigger = None,
    status: Annotated[
        Status | None,
        typer.Option("--status", show_default=False, help="Only `dead`, together with --trigger."),
    ] = None,
    since: Since = None,
    cause: Annotated[
        str | None,
        typer.Option("--cause", show_default=False, help="Of the dead only those that died of it."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.01, show_default=False, help="So many of the dead a second."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be sent again.")
    ] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Send events again under the same id, tries from 0: those given, or all dead of a trigger.

    Of an event given by its id the dead deliveries are sent; if there are none, the delivered ones.
    """
    _check_selection(ids, trigger, status, (since, cause, rate))
    with operating.open_admin(settings.dsn(dsn)) as admin:
        if ids:
            result = admin.redeliver(ids, trigger, dry_run=dry_run)
        else:
            name = admin.trigger(trigger or "").name
            asked = DeadAsked(name, cause, _since(since), rate)
            result = operating.redeliver_dead(settings.dsn(dsn), asked, dry_run=dry_run)
    if as_json:
        output.print_json({**result._asdict(), "dry_run": dry_run})
    else:
        _print_redelivery(result, dry_run=dry_run)


@app.command()
def stop(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", min=1, help="Its number, as the console shows it.")
    ],
    *,
    dsn: Dsn = None,
) -> None:
    """Stop a redelivery that the console runs: what is not put back yet stays dead."""
    if operating.stop_redelivery(settings.dsn(dsn), number):
        output.say(f"redelivery {number} is stopped")
    else:
        output.say(f"redelivery {number} stops after the step that it is at")


def _since(text: str | None) -> datetime | None:
    return None if text is None else parse_since(text, datetime.now(UTC))


def _check_selection(
    ids: list[str] | None,
    trigger: str | None,
    status: Status | None,
    of_dead: tuple[object, ...],
) -> None:
    """Either ids, or a trigger and `--status dead`.

    Raises:
        UsageError: neither or both.
    """
    if ids:
        if status is not None or any(option is not None for option in of_dead):
            raise UsageError(
                "ids and --status, --since, --cause or --rate exclude each other",
                hint="give ids, or --trigger NAME --status dead",
            )
    elif trigger is None or status is not Status.DEAD:
        raise UsageError(
            "nothing selected to redeliver",
            hint="give event ids, or --trigger NAME --status dead [--since TIME]",
        )


def _print_redelivery(result: Redelivery, *, dry_run: bool) -> None:
    count = result.redelivered
    noun = "delivery" if count == 1 else "deliveries"
    if dry_run:
        typer.echo(f"{count} {noun} would be sent again")
    else:
        typer.echo(f"{count} {noun} will be sent again")
    if result.already_parked:
        output.say(f"left alone: {result.already_parked} parked already and due to be retried")


def _print_event(event: EventView) -> None:
    output.print_fields(
        (
            ("event", event.id),
            ("op", event.op),
            ("table", f"{event.schema_name}.{event.table_name}"),
            ("created", event.created_at),
            ("xid", event.xid),
            ("session", event.session),
            ("trace", event.trace),
        )
    )
    for name, text in (("old", event.old), ("new", event.new)):
        typer.echo(f"{name}: {output.pretty_json(text)}")


def _print_deliveries(detail: EventDetail) -> None:
    typer.echo("\ndeliveries:")
    rows = [
        (d.trigger, d.status, d.reason, d.tries, d.due_at, d.last_error) for d in detail.deliveries
    ]
    if rows:
        output.print_table(("trigger", "status", "reason", "tries", "due", "last error"), rows)
    else:
        typer.echo("none")


def _print_attempt(attempt: AttemptView) -> None:
    answer = "no answer" if attempt.status is None else f"status {attempt.status}"
    typer.echo(
        f"\nattempt {attempt.attempt} for {attempt.trigger} at {document.iso(attempt.started_at)}: "
        f"{answer}, {attempt.outcome}, {attempt.duration_ms:.1f} ms"
    )
    if attempt.error:
        typer.echo(f"error: {output.show(attempt.error)}")
    typer.echo(f"request: {output.pretty_json(attempt.request)}")
    typer.echo(f"response: {output.pretty_json(attempt.response)}")
