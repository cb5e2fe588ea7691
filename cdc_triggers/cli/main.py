"""The command `cdc-triggers`: its parts, and the one place where an error becomes an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cdc_triggers import __version__
from cdc_triggers.cli import (
    apply,
    doctor,
    events,
    init,
    listen,
    status,
    stream,
    triggers,
    uninstall,
)
from cdc_triggers.errors import CdcTriggersError
from cdc_triggers.wiring import operating

RUNTIME_ERROR = 1
INTERRUPTED = 130

app = typer.Typer(
    name="cdc-triggers",
    help="Event triggers for PostgreSQL: a row changes, a webhook is called.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback signature
    if wanted:
        typer.echo(f"cdc-triggers {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("diff")(apply.diff)
app.command("apply")(apply.apply)
app.command("uninstall")(uninstall.uninstall)
app.command("stream")(stream.stream)
app.add_typer(triggers.app, name="triggers")
app.add_typer(events.app, name="events")
app.command("status")(status.status)
app.command("listen")(listen.listen)


def main() -> None:
    """Run the command line and exit: 0 ok, 1 runtime error, 2 usage, 3 blocked, 4 drift.

    An error that the operator can mend is one line and a hint on stderr, never a traceback. A
    traceback is left to what nobody foresaw: that is a bug, and its report needs it.
    """
    for stream_ in (sys.stdout, sys.stderr):
        # A locale without UTF-8 must not turn a table name into a crash.
        if hasattr(stream_, "reconfigure"):
            stream_.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="cdc-triggers")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`| head`): the flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(RUNTIME_ERROR)
    except Exception as error:
        known = error if isinstance(error, CdcTriggersError) else operating.known_error(error)
        if known is None:
            raise
        typer.echo(f"error: {known}", err=True)
        sys.exit(known.exit_code)
