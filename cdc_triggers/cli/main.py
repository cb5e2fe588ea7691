"""The command `cdc-triggers`: its parts, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from typing import Annotated, NoReturn

import typer

from cdc_triggers import __version__
from cdc_triggers.cli import (
    apply,
    cleanup,
    condition,
    console,
    doctor,
    events,
    import_hasura,
    init,
    listen,
    status,
    stream,
    transform,
    triggers,
    uninstall,
)
from cdc_triggers.compiled import compiled
from cdc_triggers.errors import CdcTriggersError, UsageError
from cdc_triggers.wiring import operating

RUNTIME_ERROR = 1
INTERRUPTED = 130
LAST_WORDS_S = 5.0
"""How long the end waits for whoever reads stderr."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

app = typer.Typer(
    name="cdc-triggers",
    help="Event triggers for PostgreSQL: a row changes, a webhook is called.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback signature
    if wanted:
        typer.echo(f"cdc-triggers {__version__}{' (compiled)' if compiled() else ''}")
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
app.add_typer(transform.app, name="transform")
app.add_typer(condition.app, name="condition")
app.add_typer(cleanup.app, name="cleanup")
app.command("status")(status.status)
app.command("console")(console.console)
app.command("listen")(listen.listen)
app.add_typer(import_hasura.app, name="import")


def main() -> None:
    """Run the command line and exit: 0 ok, 1 runtime error, 2 usage, 3 blocked, 4 drift.

    An error that the operator can mend is one line and a hint on stderr, never a traceback. A
    traceback is left to what nobody foresaw: that is a bug, and its report needs it.
    """
    _occupy_standard_descriptors()
    for stream_ in (sys.stdout, sys.stderr):
        # A locale without UTF-8 must not turn a table name into a crash.
        if hasattr(stream_, "reconfigure"):
            stream_.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="cdc-triggers")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _give_stdout_up()  # the reader has gone (`| head`)
        sys.exit(RUNTIME_ERROR)
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        _end(f"error: {known}", known.exit_code)


def _known(error: Exception) -> CdcTriggersError | None:
    """What the operator can mend, in our words; None: nobody foresaw it."""
    if isinstance(error, CdcTriggersError):
        return error
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        # Which one, is not said: it may be a connection string with a password.
        return UsageError(
            "an argument or a variable holds bytes that are not UTF-8", hint="write it in UTF-8"
        )
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _give_stdout_up()
        return CdcTriggersError(
            f"what is printed cannot be written: {error.strerror}",
            hint="make room, or send stdout elsewhere",
        )
    return operating.known_error(error)


def _give_stdout_up() -> None:
    """The flush at exit must not complain either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _occupy_standard_descriptors() -> None:
    """Open what the caller has closed: else a connection takes its number, and what is printed."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
        if getattr(sys, name) is None:  # Python's own word for a closed one
            mode = "w" if fd else "r"
            setattr(sys, name, os.fdopen(fd, mode, encoding="utf-8", closefd=False))


def _end(message: str, code: int) -> NoReturn:
    """Say it and exit with that code, also if stderr is full, or a pipe that nobody reads."""
    said = threading.Event()

    def say() -> None:
        with contextlib.suppress(OSError):
            typer.echo(message, err=True)
            said.set()

    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    speaker.join(LAST_WORDS_S)
    if not said.is_set():
        os._exit(code)  # the interpreter would try once more, and fail or wait
    sys.exit(code)
