"""`cdc-triggers cleanup`: run clean-ups of triggers, pause and resume them, see what they did."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers.cli.options import (
    MOST_LINES,
    Dsn,
    Json,
)

app = typer.Typer(
    help="Clean up what is delivered or dead, and see what was cleaned.", no_args_is_help=True
)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="TRIGGER", show_default=False, help="Names of applied triggers."),
]
All = Annotated[bool, typer.Option("--all", help="All triggers that have a cleanup_config.")]


@app.command()
def run(
    names: Names = None,
    *,
    all_: Annotated[
        bool,
        typer.Option(
            "--all", help="All triggers that have a cleanup_config; with --older-than all triggers."
        ),
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            show_default=False,
            help="Take what is older (90m, 12h, 7d), whatever the cleanup_config says.",
        ),
    ] = None,
    attempts: Annotated[
        bool | None,
        typer.Option(
            "--attempts/--no-attempts",
            show_default=False,
            help="Delete attempts too, or not. Else as clean_invocation_logs says.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be deleted.")
    ] = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Delete what is delivered or dead and old enough, in small batches."""
    from cdc_triggers.cli import cleaning  # noqa: PLC0415 - slow to load

    asked = cleaning.Asked(names, dsn, every=all_)
    how = cleaning.How(older_than, attempts, dry_run=dry_run)
    cleaning.run(asked, how, as_json=as_json)


@app.command()
def pause(names: Names = None, *, all_: All = False, dsn: Dsn = None) -> None:
    """Hold the scheduled clean-ups of triggers until they are resumed."""
    from cdc_triggers.cli import cleaning  # noqa: PLC0415 - slow to load

    cleaning.set_paused(cleaning.Asked(names, dsn, every=all_), paused=True)


@app.command()
def resume(names: Names = None, *, all_: All = False, dsn: Dsn = None) -> None:
    """Let scheduled clean-ups run again; one that was missed runs at once."""
    from cdc_triggers.cli import cleaning  # noqa: PLC0415 - slow to load

    cleaning.set_paused(cleaning.Asked(names, dsn, every=all_), paused=False)


@app.command()
def history(
    *,
    trigger: Annotated[
        str | None,
        typer.Option("--trigger", metavar="NAME", show_default=False, help="Only of this trigger."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST_LINES, help="Lines at most.")
    ] = 50,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """List clean-ups, newest first: when, of what, how much was deleted, how it ended."""
    from cdc_triggers.cli import cleaning  # noqa: PLC0415 - slow to load

    cleaning.history(dsn, trigger, limit, as_json=as_json)
