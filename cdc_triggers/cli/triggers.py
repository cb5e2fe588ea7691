"""`cdc-triggers triggers`: what is applied, pause and resume, invoke by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.app import document
from cdc_triggers.cli import output
from cdc_triggers.cli.options import Dsn, Json  # noqa: TC001 - typer reads annotations at run time
from cdc_triggers.wiring import operating

app = typer.Typer(help="See, pause, resume and invoke applied triggers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an applied trigger.")]


@app.command("list")
def list_triggers(*, dsn: Dsn = None, as_json: Json = False) -> None:
    """List all applied triggers."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        triggers = admin.triggers()
    if as_json:
        output.print_json([document.trigger(each) for each in triggers])
        return
    output.print_table(
        ("name", "table", "revision", "state", "updated"),
        (
            (
                t.name,
                f"{t.schema_name}.{t.table_name}",
                t.revision,
                "paused" if t.paused else "active",
                t.updated_at,
            )
            for t in triggers
        ),
    )


@app.command()
def show(name: Name, *, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show one trigger with its definition as applied."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        trigger = admin.trigger(name)
    if as_json:
        output.print_json(document.trigger(trigger))
        return
    output.print_fields(
        (
            ("name", trigger.name),
            ("table", f"{trigger.schema_name}.{trigger.table_name}"),
            ("revision", trigger.revision),
            ("paused", trigger.paused_at if trigger.paused else "no"),
            ("created", trigger.created_at),
            ("updated", trigger.updated_at),
        )
    )
    typer.echo(output.pretty_json(trigger.definition))


@app.command()
def pause(name: Name, *, dsn: Dsn = None) -> None:
    """Park what a trigger matches from now on, and send nothing until it is resumed."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        changed = admin.set_paused(name, paused=True)
    output.say(f"trigger {name} is paused" if changed else f"trigger {name} was paused already")


@app.command()
def resume(name: Name, *, dsn: Dsn = None) -> None:
    """Send what a paused trigger has parked, in order, then go on."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        changed = admin.set_paused(name, paused=False)
    output.say(f"trigger {name} is resumed" if changed else f"trigger {name} was not paused")


@app.command()
def invoke(
    name: Name,
    *,
    payload: Annotated[
        str, typer.Option("--payload", metavar="JSON", help="Becomes data.new of the event.")
    ] = "null",
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Make a MANUAL event for one trigger and print its id."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        event_id = admin.invoke(name, payload)
    if as_json:
        output.print_json({"id": event_id})
    else:
        typer.echo(event_id)
