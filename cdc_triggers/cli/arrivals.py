"""What `listen` does with each request: a line for people, or an object for programs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import uvloop
from rich.console import Console
from rich.markup import escape

from cdc_triggers.http.receiver import Handler, Received, Receiver, Reply

Print = Callable[[dict[str, object]], None]

COLOURS = {"INSERT": "green", "UPDATE": "yellow", "DELETE": "red", "MANUAL": "cyan"}
STATUS_OK_BELOW = 300


def serve(host: str, port: int, *, status: int, delay_ms: int, as_json: bool) -> None:
    """Print what arrives until SIGINT or SIGTERM."""
    handler = _handler(_printer(as_json=as_json), Reply(status, (), b"", delay_ms / 1000))
    uvloop.run(_serve(Receiver(host, port, handler=handler)))


async def _serve(receiver: Receiver) -> None:
    """Listen until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with receiver:
        sys.stderr.write(f"listening on {receiver.url} (Ctrl-C ends)\n")
        sys.stderr.flush()
        await ended.wait()


def _handler(show: Print, reply: Reply) -> Handler:
    def handle(received: Received) -> Reply:
        show(_summary(received, reply.status))
        return reply

    return handle


def _summary(received: Received, status: int) -> dict[str, object]:
    """What the line tells. Anything may arrive here, also what is not an event."""
    try:
        content = orjson.loads(received.body)
    except orjson.JSONDecodeError:
        content = None
    event = _child(content, "event")
    table = _child(content, "table")
    named = ".".join(str(x) for x in (table.get("schema"), table.get("name")) if x is not None)
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "op": event.get("op") or received.method,
        "table": named or received.path,
        "id": content.get("id") if isinstance(content, dict) else None,
        "trigger": _child(content, "trigger").get("name"),
        "retry": _child(content, "delivery_info").get("current_retry"),
        "bytes": len(received.body),
        "status": status,
    }


def _child(content: object, key: str) -> dict[str, object]:
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, dict) else {}


def _printer(*, as_json: bool) -> Print:
    if as_json:
        return lambda fact: _write(orjson.dumps(fact).decode())
    if sys.stdout.isatty():
        console = Console(highlight=False)
        return lambda fact: console.print(_line(fact, coloured=True), soft_wrap=True)
    return lambda fact: _write(_line(fact, coloured=False))


def _line(fact: dict[str, object], *, coloured: bool) -> str:
    time, op, table = (str(fact[key]) for key in ("time", "op", "table"))
    ident, status = str(fact["id"] or "-"), fact["status"]
    # What arrives is not ours: no line break and no control character reaches the terminal.
    op, table, ident = (_printable(text) for text in (op, table, ident))
    if not coloured:
        return f"{time} {op:<6} {table} {ident} {status}"
    good = isinstance(status, int) and status < STATUS_OK_BELOW
    mark = "green" if good else "red"
    colour = COLOURS.get(op, "white")
    return (
        f"[dim]{time}[/] [{colour}]{escape(op):<6}[/] {escape(table)} "
        f"[dim]{escape(ident)}[/] [{mark}]{status}[/]"
    )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:200])


def _write(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
