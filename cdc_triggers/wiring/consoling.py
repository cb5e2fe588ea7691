"""Adapters for the console alone: no stream runs in its process."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import uvloop

from cdc_triggers.telemetry.clock import SystemClock
from cdc_triggers.telemetry.logs import LogTelemetry
from cdc_triggers.wiring.streaming import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.wiring.streaming import Server


def run_console(serve: Callable[[Watched], Server], log_format: str) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        serve: makes the server.
        log_format: `text` or `json`.

    Raises:
        CdcTriggersError: the address cannot be listened on.
    """
    uvloop.run(_run(serve, log_format))


async def _run(serve: Callable[[Watched], Server], log_format: str) -> None:
    telemetry = LogTelemetry(SystemClock(), log_format)
    server = serve(Watched(lambda: None, dict, telemetry))
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    try:
        await server.start()
        await over.wait()
    finally:
        await server.close()
        telemetry.close()
