"""`cdc-triggers console`: the console without a stream."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.cli import output
from cdc_triggers.cli.options import (
    DEFAULT_SLOT,
    Dsn,
    LogFormat,
    Plugin,
    PluginOption,
    Slot,
)

Listen = Annotated[
    str,
    typer.Option("--listen", metavar="HOST:PORT", help="Where to serve it; port 0: a free one."),
]


def console(
    *,
    listen: Listen = "127.0.0.1:8080",
    slot: Slot = DEFAULT_SLOT,
    plugin: PluginOption = Plugin.PGOUTPUT,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How log lines are written.")
    ] = LogFormat.TEXT,
    dsn: Dsn = None,
) -> None:
    """Serve the console and the API until SIGTERM or Ctrl-C; the stream runs elsewhere."""
    from cdc_triggers.console.server import HttpServer, Setup, parse_address  # noqa: PLC0415 - slow
    from cdc_triggers.wiring.consoling import run_console  # noqa: PLC0415 - as above
    from cdc_triggers.wiring.serving import Backend  # noqa: PLC0415 - as above

    address = parse_address(listen, option="--listen")
    backend = Backend(settings.dsn(dsn), slot, plugin.value, settings.environment())
    with backend.admin():
        pass  # a wrong connection string is said here, not on every page
    setup = Setup(address, backend, settings.admin_secret(), settings.source())
    if address.port:
        output.say(f"console: http://{address}/console (Ctrl-C ends it)")
    run_console(lambda watched: HttpServer(setup, watched), log_format.value)
