"""What tracing costs: processor time per event, in one process, with and without it.

    python -m bench.tracing [--events 20000]

A tenure on stand-ins: no PostgreSQL, no network for the deliveries. So what is measured is the
stream's own work, and tracing's share of it is larger than in any real stream. Spans are sent to a
collector in a process of its own, which reads them and answers.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cdc_triggers.app.adapters import Adapters
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.app.streamer import Options, Streamer
from cdc_triggers.app.watch import Watch
from cdc_triggers.app.worker import Worker
from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.spec import Trigger
from cdc_triggers.http.httptools_sender import HttptoolsSender
from cdc_triggers.telemetry.clock import SystemClock
from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames
from cdc_triggers.testing import (
    MemoryDatabase,
    MemoryRecovery,
    MemoryStore,
    ScriptedSource,
    Slot,
    log_row,
    transaction,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

COLUMNS = ((1, "id"), (2, "v"))


class _Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serve_collector(port: Connection) -> None:
    """Read spans and forget them, in a process of its own; says its port first."""
    # a thread for each connection: that of an exporter before is open until this process ends
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    port.send(server.server_port)
    server.serve_forever()


async def _serve_receiver(port: Connection) -> None:
    from cdc_triggers.http.receiver import Receiver  # noqa: PLC0415 - in its own process

    async with Receiver() as receiver:
        port.send(receiver.port)
        await asyncio.Event().wait()


def _run_receiver(port: Connection) -> None:
    asyncio.run(_serve_receiver(port))


def _trigger(port: int) -> TriggerRow:
    spec = Trigger.model_validate(
        {
            "name": "measured",
            "table": "items",
            "definition": {"insert": {}},
            "webhook": f"http://127.0.0.1:{port}/",
            "max_in_flight": 64,
        }
    )
    revision = Revision(1, spec, {}, Snapshot(0, 0, frozenset()))
    return TriggerRow(1, "measured", 1, False, (1,), COLUMNS, (revision,))  # noqa: FBT003


async def _measure(events: int, port: int, environ: dict[str, str]) -> float:
    """Processor seconds of one run, all threads."""
    clock, facts, slot = SystemClock(), _Facts(), Slot()
    database = MemoryDatabase(clock)
    database.triggers[1] = _trigger(port)
    source, worker = ScriptedSource(slot), Worker()
    otel = OpenTelemetry(environ, StreamNames("measured", "bench", parenting=False), facts)
    sender = HttptoolsSender()
    adapters = Adapters(
        source,
        MemoryStore(database, slot, "bench"),
        MemoryRecovery(database, slot, "bench"),
        worker,
        sender,
        RequestFactory({}),
        clock,
        facts,
        Watch(clock, facts, otel.tracer),
    )
    for number in range(1, events + 1):
        event_id = f"019a0000-0000-7000-8000-{number:012x}"
        row = log_row(event_id, xid=number, new=b'{"id":%d,"v":0}' % number)
        source.feed(transaction(number * 100, [row], number))
    streamer = Streamer(adapters, Options("measured", "pgoutput", 5.0))
    began = time.process_time()
    running = asyncio.ensure_future(streamer.run())
    meter = adapters.watch.meter
    while not running.done() and meter.of("measured").delivered < events:  # noqa: ASYNC110 - the meter tells nobody
        await asyncio.sleep(0.01)
    streamer.stop()
    await running
    await otel.close()
    used = time.process_time() - began
    await sender.close()
    worker.close()
    sent = sum(exports.sent for exports in otel.exports)
    dropped = sum(exports.dropped for exports in otel.exports)
    sys.stderr.write(
        f"  {1e6 * used / events:6.1f} us per event, {sent} spans sent, {dropped} dropped\n"
    )
    return used / events


def by_turns(events: int, rounds: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Processor seconds for an event, without and with tracing."""
    gc.set_threshold(50_000, 20, 50)  # as the stream has it
    ports, processes = [], []
    for serve in (_run_receiver, serve_collector):
        here, there = multiprocessing.Pipe()
        processes.append(multiprocessing.Process(target=serve, args=(there,), daemon=True))
        processes[-1].start()
        ports.append(here.recv())
    receiver, collector = ports
    on = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{collector}/v1/traces"}
    used: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for traced in (False, True):
            environ = on if traced else {}
            used[traced].append(asyncio.run(_measure(events, receiver, environ)))
    for process in processes:
        process.terminate()
        process.join()
    return tuple(used[False]), tuple(used[True])


def main() -> None:
    """Measure by turns, and print the ratio of the least."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    without, traced = by_turns(options.events, options.rounds)
    # the least is what the work takes: what comes on top is of others on the same machine
    ratio = min(without) / min(traced)
    sys.stdout.write(f"rate with tracing of every event: {ratio:.2f} of that without\n")


if __name__ == "__main__":
    main()
