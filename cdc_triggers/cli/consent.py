"""May this change the database? Asked on a terminal, or answered by `--yes`."""

from __future__ import annotations

import sys

import typer

from cdc_triggers.cli import output
from cdc_triggers.errors import UsageError


def require(question: str, *, yes: bool) -> None:
    """Return if the person agrees; end the command with exit code 1 if not.

    Raises:
        UsageError: there is no terminal to ask on, and no `--yes`.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "this changes the database, and there is no terminal to ask on; nothing was changed",
            hint="add --yes",
        )
    if not typer.confirm(question, err=True):
        output.say("nothing was changed")
        raise typer.Exit(1)
