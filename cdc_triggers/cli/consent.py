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
    if not _agreed(question):
        output.say("nothing was changed")
        raise typer.Exit(1)


def _agreed(question: str) -> bool:
    """The answer; the end of input is a no.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        return typer.confirm(question, err=True)
    except typer.Abort as end:
        output.say("")
        if isinstance(end.__context__, KeyboardInterrupt):
            output.say("nothing was changed")
            raise KeyboardInterrupt from end
        return False
