"""`cdc-triggers listen`: a receiver for development that prints what arrives."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers.core.web import LAST_PORT


def listen(
    port: Annotated[
        int, typer.Option(min=0, max=LAST_PORT, help="Port; 0 takes a free one.")
    ] = 8077,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    status: Annotated[int, typer.Option(min=200, max=599, help="Status to answer with.")] = 200,
    delay_ms: Annotated[int, typer.Option(min=0, help="Wait before each answer.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per request.")] = False,  # noqa: FBT002 - a typer flag
) -> None:
    """Receive webhooks and print them, one line each. For development only."""
    from cdc_triggers.cli import arrivals  # noqa: PLC0415 - a server and rich: slow to load

    arrivals.serve(host, port, status=status, delay_ms=delay_ms, as_json=as_json)
