"""`cdc-triggers stream`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    TraceContext,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.wiring.streaming import Server, Watched


Apply = Annotated[
    bool, typer.Option("--apply", help="Apply the trigger file first, without asking.")
]
Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        show_default=False,
        help="Serve the console, /metrics, probes and the API there.",
    ),
]
HttpClientOption = Annotated[
    HttpClient, typer.Option("--http-client", help="What carries the deliveries.")
]
DrainTimeout = Annotated[
    float,
    typer.Option(
        "--drain-timeout",
        metavar="SECONDS",
        min=0,
        help="At SIGTERM: how long what is in flight may take before it is parked.",
    ),
]
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="How log lines are written.")
]
TraceContextOption = Annotated[
    TraceContext | None,
    typer.Option(
        "--trace-context",
        show_default=False,
        help="Spans are linked to the writer's (link), or below it in its trace (parent). "
        "Else CDC_TRIGGERS_TRACE_CONTEXT, then link.",
    ),
]


def stream(
    *,
    apply_first: Apply = False,
    config: Config = None,
    slot: Slot = DEFAULT_SLOT,
    plugin: PluginOption = Plugin.PGOUTPUT,
    http: Http = None,
    http_client: HttpClientOption = HttpClient.HTTPTOOLS,
    drain_timeout: DrainTimeout = 10.0,
    log_format: LogFormatOption = LogFormat.TEXT,
    trace_context: TraceContextOption = None,
    dsn: Dsn = None,
) -> None:
    """Read the slot and call the webhooks until SIGTERM or Ctrl-C."""
    from cdc_triggers.wiring import streaming  # noqa: PLC0415 - asyncio, an HTTP client: slow

    if apply_first:
        apply(config=config, dsn=dsn, slot=slot, plugin=plugin, yes=True)
    context = settings.trace_context(trace_context)
    streaming.run_stream(
        streaming.StreamOptions(
            dsn=settings.dsn(dsn),
            slot=slot,
            plugin=plugin.value,
            http_client=http_client.value,
            drain_timeout_s=drain_timeout,
            log_format=log_format.value,
            parenting=context == TraceContext.PARENT,
        ),
        None if http is None else _server(http, settings.dsn(dsn), slot, plugin.value, context),
    )


def _server(
    http: str, dsn: str, slot: str, plugin: str, context: str
) -> Callable[[Watched], Server]:
    """What makes the server of --http; nothing of it is loaded without."""
    from cdc_triggers.console.server import HttpServer, Setup, parse_address  # noqa: PLC0415 - slow
    from cdc_triggers.wiring.serving import Backend  # noqa: PLC0415 - as above

    # the console has to know which trace an event's deliveries are in
    environment = {**settings.environment(), settings.TRACE_CONTEXT_VARIABLE: context}
    backend = Backend(dsn, slot, plugin, environment)
    address = parse_address(http)
    setup = Setup(address, backend, settings.admin_secret(), settings.source())
    return lambda watched: HttpServer(setup, watched)
