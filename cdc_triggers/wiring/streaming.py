"""Adapters for the stream."""

from __future__ import annotations

import asyncio
import gc
import signal
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop

from cdc_triggers import settings
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.app.streamer import Options, Streamer
from cdc_triggers.app.tenure import Adapters
from cdc_triggers.app.worker import Worker
from cdc_triggers.errors import UsageError
from cdc_triggers.http.probes import ProbeServer
from cdc_triggers.postgres.replication import ReplicationSource
from cdc_triggers.postgres.store import PostgresStore
from cdc_triggers.telemetry.clock import SystemClock
from cdc_triggers.telemetry.logs import LogTelemetry

if TYPE_CHECKING:
    from cdc_triggers.ports import Sender


@dataclass(frozen=True)
class StreamOptions:
    """What `cdc-triggers stream` was asked for."""

    dsn: str
    slot: str
    plugin: str
    http: str | None
    http_client: str
    drain_timeout_s: float
    log_format: str


def run_stream(options: StreamOptions) -> None:
    """Stream until SIGTERM or SIGINT; returns after the drain.

    Raises:
        CdcTriggersError: what waiting cannot mend.
    """
    uvloop.run(_stream(options))


async def _stream(options: StreamOptions) -> None:
    clock = SystemClock()
    sender = _sender(options.http_client)
    worker = Worker()
    adapters = Adapters(
        source=ReplicationSource(options.dsn),
        store=PostgresStore(options.dsn, options.slot, str(uuid.uuid4())),
        worker=worker,
        sender=sender,
        requests=RequestFactory(settings.environment()),
        clock=clock,
        telemetry=LogTelemetry(clock, options.log_format),
    )
    streamer = Streamer(adapters, Options(options.slot, options.plugin, options.drain_timeout_s))
    probes = _probes(options.http, streamer)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, streamer.stop)
    # what was imported lives as long as the process: the collector need not look at it again
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        if probes is not None:
            await probes.start()
        await streamer.run()
    finally:
        if probes is not None:
            await probes.close()
        await sender.close()
        worker.close()


def _sender(client: str) -> Sender:
    """Only the client that is wanted is loaded."""
    if client == "pyreqwest":
        from cdc_triggers.http.pyreqwest_sender import PyreqwestSender  # noqa: PLC0415 - see above

        return PyreqwestSender()
    from cdc_triggers.http.httpx_sender import HttpxSender  # noqa: PLC0415 - see above

    return HttpxSender()


def _probes(address: str | None, streamer: Streamer) -> ProbeServer | None:
    if address is None:
        return None
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise UsageError(f"--http {address!r} is not HOST:PORT", hint="write --http 127.0.0.1:8080")
    return ProbeServer(host.strip("[]") or "127.0.0.1", int(port), streamer.readiness)
