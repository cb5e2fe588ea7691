"""`cdc-triggers import hasura`: from Hasura's metadata to a trigger file, and its log to ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.cli.options import Dsn, Json  # noqa: TC001 - typer reads them
from cdc_triggers.errors import UsageError

app = typer.Typer(help="Move over from another program.", no_args_is_help=True)

OUTPUT = Path("triggers.yaml")


@app.callback()
def _group() -> None:
    """A group also while it has one command."""


Directory = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="Hasura's metadata directory, or its metadata in one file."),
]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", show_default=False, help="Which of its sources."),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="PATH", help="The trigger file; - is stdout.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]
Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Write nothing; end with exit code 4 if the trigger file does not say the same.",
    ),
]
Pending = Annotated[
    str | None,
    typer.Option(
        "--pending",
        metavar="DSN",
        show_default=False,
        help="Take over what the event log of Hasura in this database has not delivered.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --pending: only count.")]


@app.command()
def hasura(
    directory: Directory = None,
    *,
    source: Source = None,
    output: Output = OUTPUT,
    force: Force = False,
    check: Check = False,
    pending: Pending = None,
    dry_run: DryRun = False,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Write a trigger file from Hasura's metadata; or take over its undelivered events, once.

    The move, in this order: restart Hasura with HASURA_GRAPHQL_EVENTS_FETCH_BATCH_SIZE=0, and wait
    until its old processes are gone; `cdc-triggers apply --replace-hasura`; `cdc-triggers import
    hasura --pending DSN`; `cdc-triggers stream`. Only then remove the triggers from its metadata.
    """
    from cdc_triggers.cli import importing  # noqa: PLC0415 - pydantic and YAML: slow to load

    _check_selection(directory, pending, check=check, dry_run=dry_run)
    if pending is not None:
        # the usual case: both in one database, named once
        ours = settings.dsn(dsn) or pending
        importing.take_over(ours, pending, dry_run=dry_run, as_json=as_json)
    elif directory is not None and check:
        importing.check(directory, source, output, as_json=as_json)
    elif directory is not None:
        importing.write(importing.Asked(directory, source, output, force, as_json))


def _check_selection(
    directory: Path | None, pending: str | None, *, check: bool, dry_run: bool
) -> None:
    """Either a directory or `--pending`.

    Raises:
        UsageError: neither, both, or an option of the other.
    """
    if (directory is None) == (pending is None):
        raise UsageError(
            "give either a metadata directory or --pending DSN",
            hint="cdc-triggers import hasura metadata, "
            "then cdc-triggers import hasura --pending DSN",
        )
    if pending is not None and check:
        raise UsageError("--check is for a metadata directory", hint="leave it out")
    if pending is None and dry_run:
        raise UsageError("--dry-run is for --pending", hint="use --output - to see the file")
