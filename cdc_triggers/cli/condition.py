"""`cdc-triggers condition`: try a trigger's condition on events that have been."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers.cli.options import (
    MOST_LINES,
    Applied,
    Config,
    Dsn,
    Json,
    Since,
)

app = typer.Typer(help="Try a trigger's condition on past events.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `test` a command of its own."""


@app.command("test")
def try_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a trigger.")],
    *,
    expression: Annotated[
        str | None,
        typer.Option(
            "--expression",
            "-e",
            metavar="CEL",
            show_default=False,
            help="This condition instead of the trigger's own.",
        ),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option("--event", metavar="ID", show_default=False, help="Only this past event."),
    ] = None,
    since: Since = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST_LINES, help="Events at most.")
    ] = 50,
    applied: Applied = False,
    config: Config = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Say of past events whether a trigger's condition wants them, newest first."""
    from cdc_triggers.cli import asked, conditioning  # noqa: PLC0415 - slow to load

    trigger = asked.Asked(name, applied=applied, config=config, dsn=dsn)
    conditioning.show(
        trigger, conditioning.Source(event, since, limit), expression, as_json=as_json
    )
