"""Adapters for the stream."""

from __future__ import annotations

import asyncio
import gc
import signal
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import uvloop

from cdc_triggers import settings
from cdc_triggers.app.adapters import Adapters
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.app.streamer import Options, Streamer
from cdc_triggers.app.worker import Worker
from cdc_triggers.postgres.recovery import PostgresRecovery
from cdc_triggers.postgres.replication import ReplicationSource
from cdc_triggers.postgres.store import PostgresStore
from cdc_triggers.telemetry.clock import SystemClock
from cdc_triggers.telemetry.logs import LogTelemetry
from cdc_triggers.wiring.cleaning import housekeeper
from cdc_triggers.wiring.observing import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.core.meter import Meter
    from cdc_triggers.ports import Sender, Telemetry


@dataclass(frozen=True)
class StreamOptions:
    """What `cdc-triggers stream` was asked for."""

    dsn: str
    slot: str
    plugin: str
    http_client: str
    drain_timeout_s: float
    log_format: str
    parenting: bool = False


class Watched(NamedTuple):
    """What may be asked of a stream while it runs; nothing of it blocks.

    Attributes:
        readiness: None while streaming; else the reason why not.
        facts: counters.
        metrics: what `/metrics` answers to an Accept header: its content type, and the text.
        meter: what this process has counted; None: it runs no stream.
    """

    readiness: Callable[[], str | None]
    facts: Callable[[], Mapping[str, int]]
    telemetry: Telemetry
    metrics: Callable[[str], tuple[str, bytes]] | None = None
    meter: Meter | None = None


class Server(Protocol):
    """Something that is served beside the stream, on its loop."""

    async def start(self) -> None:
        """Listen.

        Raises:
            CdcTriggersError: that is not possible.
        """
        ...

    async def close(self) -> None:
        """Stop at once; idempotent."""
        ...


def run_stream(options: StreamOptions, serve: Callable[[Watched], Server] | None = None) -> None:
    """Stream until SIGTERM or SIGINT; returns after the drain.

    Args:
        options: what was asked for.
        serve: makes the server beside it.

    Raises:
        CdcTriggersError: what waiting cannot mend.
    """
    uvloop.run(_stream(options, serve))


async def _stream(options: StreamOptions, serve: Callable[[Watched], Server] | None) -> None:
    clock = SystemClock()
    telemetry = LogTelemetry(clock, options.log_format)
    try:
        seen = Observed(options, clock, telemetry, served=serve is not None)
        await _stream_observed(options, seen, serve)
    finally:
        telemetry.close()


async def _stream_observed(
    options: StreamOptions, seen: Observed, serve: Callable[[Watched], Server] | None
) -> None:
    adapters = _adapters(options, seen)
    streamer = Streamer(adapters, Options(options.slot, options.plugin, options.drain_timeout_s))
    server = None
    if serve is not None:
        server = serve(
            Watched(
                streamer.readiness,
                streamer.recoveries,
                seen.telemetry,
                seen.exposed,
                seen.watch.meter,
            )
        )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, streamer.stop)
    seen.start()
    # what was imported lives as long as the process: the collector need not look at it again
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        if server is not None:
            await server.start()
        await streamer.run()
    finally:
        if server is not None:
            await server.close()
        await adapters.sender.close()
        adapters.worker.close()
        await seen.close()


def _adapters(options: StreamOptions, seen: Observed) -> Adapters:
    holder = str(uuid.uuid4())
    return Adapters(
        source=ReplicationSource(options.dsn),
        store=PostgresStore(options.dsn, options.slot, holder),
        recovery=PostgresRecovery(options.dsn, options.slot, holder),
        worker=Worker(),
        sender=_sender(options.http_client),
        requests=RequestFactory(settings.environment()),
        clock=seen.clock,
        telemetry=seen.telemetry,
        watch=seen.watch,
        housekeeper=housekeeper(options.dsn, seen.clock, seen.telemetry),
    )


def _sender(client: str) -> Sender:
    """Only the client that is wanted is loaded."""
    if client == "httptools":
        from cdc_triggers.http.httptools_sender import HttptoolsSender  # noqa: PLC0415 - see above

        return HttptoolsSender()
    from cdc_triggers.http.httpx_sender import HttpxSender  # noqa: PLC0415 - see above

    return HttpxSender()
