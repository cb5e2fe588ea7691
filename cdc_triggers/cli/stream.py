"""`cdc-triggers stream`: the main job."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.cli.apply import apply
from cdc_triggers.cli.options import (
    DEFAULT_SLOT,
    Config,
    Dsn,
    HttpClient,
    LogFormat,
    Plugin,
    PluginOption,
    Slot,
)


def stream(
    *,
    apply_first: Annotated[
        bool, typer.Option("--apply", help="Apply the trigger file first, without asking.")
    ] = False,
    config: Config = None,
    slot: Slot = DEFAULT_SLOT,
    plugin: PluginOption = Plugin.PGOUTPUT,
    http: Annotated[
        str | None,
        typer.Option(
            "--http",
            metavar="HOST:PORT",
            show_default=False,
            help="Serve /livez and /readyz there; /readyz is 200 only while streaming.",
        ),
    ] = None,
    http_client: Annotated[
        HttpClient, typer.Option("--http-client", help="What carries the deliveries.")
    ] = HttpClient.PYREQWEST,
    drain_timeout: Annotated[
        float,
        typer.Option(
            "--drain-timeout",
            metavar="SECONDS",
            min=0,
            help="At SIGTERM: how long what is in flight may take before it is parked.",
        ),
    ] = 10.0,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How log lines are written.")
    ] = LogFormat.TEXT,
    dsn: Dsn = None,
) -> None:
    """Read the slot and call the webhooks until SIGTERM or Ctrl-C."""
    from cdc_triggers.wiring import streaming  # noqa: PLC0415 - asyncio, an HTTP client: slow

    if apply_first:
        apply(config=config, dsn=dsn, slot=slot, plugin=plugin, yes=True)
    streaming.run_stream(
        streaming.StreamOptions(
            dsn=settings.dsn(dsn),
            slot=slot,
            plugin=plugin.value,
            http=http,
            http_client=http_client.value,
            drain_timeout_s=drain_timeout,
            log_format=log_format.value,
        )
    )
