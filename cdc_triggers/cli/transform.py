"""`cdc-triggers transform`: try a trigger's transforms without sending anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdc_triggers.cli.options import (  # noqa: TC001 - typer reads annotations at run time
    Applied,
    Config,
    Dsn,
    Json,
)

app = typer.Typer(help="Try a trigger's transforms without sending.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `test` a command of its own."""


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a trigger.")]
Body = Annotated[
    Path | None,
    typer.Argument(metavar="BODY", show_default=False, help="File with a whole body; - is stdin."),
]
EventId = Annotated[
    str | None,
    typer.Option("--event", metavar="ID", show_default=False, help="Use this past event."),
]
Sample = Annotated[bool, typer.Option("--sample", help="Use a few rows that the table has now.")]
Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME=VALUE",
        show_default=False,
        help="Fill this variable in; may be repeated. All others stay as {{NAME}}.",
    ),
]
Answer = Annotated[
    Path | None,
    typer.Option(
        "--answer",
        metavar="FILE",
        show_default=False,
        help="Show what would be recorded of this answer.",
    ),
]
Status = Annotated[int, typer.Option("--status", min=100, max=599, help="Status of --answer.")]


@app.command("test")
def preview(
    name: Name,
    body: Body = None,
    *,
    event: EventId = None,
    sample: Sample = False,
    applied: Applied = False,
    env: Env = None,
    answer: Answer = None,
    status: Status = 200,
    config: Config = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show the request that a trigger would send: method, URL, headers and body."""
    from cdc_triggers.cli import asked, transforming  # noqa: PLC0415 - slow to load

    trigger = asked.Asked(name, applied=applied, config=config, dsn=dsn)
    source = transforming.Source(body, event, sample=sample)
    answered = None if answer is None else transforming.answer(answer, status)
    transforming.show(trigger, source, env or [], answered, as_json=as_json)
