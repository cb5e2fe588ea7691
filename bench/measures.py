"""The measurements: each takes a rig as it is, and leaves the slot as its docstring says."""

from __future__ import annotations

import asyncio
import contextlib
import math
import statistics
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import uvloop

from bench.rig import BenchError, Receiving
from cdc_triggers.core.attempt import Request, Response
from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.payload import body
from cdc_triggers.http.pyreqwest_sender import PyreqwestSender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.rig import Rig

IN_FLIGHT: Final = 64
RATE: Final = 200
BULK_ROWS: Final = 100_000
ROUNDS: Final = 3
BIG_ROWS: Final = 200_000
READ_S: Final = 10.0

TABLES: Final = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL,
    total numeric(12, 2) NOT NULL, note text, tags jsonb NOT NULL, updated_at timestamptz NOT NULL
);
CREATE TABLE plain (LIKE orders INCLUDING ALL)
"""
_VALUES: Final = "i % 1000, 'paid', i / 7.0, 'left at the door', '{\"gift\": true}', now()"
_ONE_BY_ONE: Final = """
DO $$ BEGIN
    FOR i IN {first} .. {last} LOOP
        INSERT INTO orders VALUES (i, {values});
        COMMIT;
    END LOOP;
END $$
"""
_BULK: Final = "INSERT INTO {table} SELECT i, {values} FROM generate_series({first}, {last}) AS i"
_ROW: Final = (
    b'{"id":12345,"customer_id":345,"status":"paid","total":1763.57,"note":"left at the door",'
    b'"tags":{"gift": true},"updated_at":"2026-01-31T12:00:00.123456+00:00"}'
)


class Drain(NamedTuple):
    """A backlog of events, one transaction each, every one with a key of its own."""

    events: int
    per_s: float
    cpu_us_per_event: float
    peak_rss_mb: float
    limit_per_s: float
    ratio_to_limit: float


class Latency(NamedTuple):
    """From just after COMMIT returned until the receiver had the whole request, in ms."""

    events: int
    written_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Capture(NamedTuple):
    """An INSERT of many rows: medians, and the median of the ratios of neighbouring pairs."""

    rows: int
    plain_s: float
    captured_s: float
    ratio: float


class Memory(NamedTuple):
    """A stream that has read one big transaction for a while."""

    rows: int
    delivered: int
    peak_rss_mb: float


def latency(rig: Rig, seconds: float, first: int) -> Latency:
    """Write at a steady rate while a stream runs. The slot is drained afterwards."""
    wanted = int(seconds * RATE)
    committed: dict[int, float] = {}
    with (
        contextlib.closing(Receiving("--timed")) as receiver,
        rig.streaming(receiver.url) as stream,
    ):
        stream.wait_ready()
        began = time.monotonic()
        for number in range(wanted):
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
            row = first + number
            rig.execute(_bulk("orders", row, 1))
            committed[row] = time.monotonic()
        took = time.monotonic() - began
        receiver.wait(wanted, 60)
        arrivals = receiver.arrivals()
    arrived: dict[int, float] = {}
    for row, at in arrivals:
        arrived.setdefault(row, at)
    waits = sorted((arrived[row] - at) * 1000 for row, at in committed.items())
    return Latency(
        wanted, wanted / took, *(_percentile(waits, share) for share in (0.5, 0.95, 0.99, 1))
    )


def drain(rig: Rig, events: int, first: int) -> Drain:
    """Deliver a backlog, between two measurements of the limit. The slot is drained afterwards."""
    rig.execute("SET synchronous_commit = off")
    rig.execute(_ONE_BY_ONE.format(first=first, last=first + events - 1, values=_VALUES))
    rig.execute("SET synchronous_commit = on")
    with contextlib.closing(Receiving()) as receiver:
        before = _limit(receiver, events)
        sent = receiver.count()[0]
        with rig.streaming(receiver.url) as stream:
            receiver.wait(sent + 1, 60)
            (early, start), cpu = receiver.count(), stream.cpu_s()
            receiver.wait(sent + events, 600)
            (late, end), cpu = receiver.count(), stream.cpu_s() - cpu
            peak = stream.peak_mb()
        after = _limit(receiver, events)
    per_s = (late - early) / (end - start)
    limit = statistics.median((before, after))
    return Drain(events, per_s, cpu / (late - early) * 1e6, peak, limit, per_s / limit)


def memory(rig: Rig, first: int) -> Memory:
    """Read one transaction of many rows for a while. What was not delivered stays in the slot."""
    rig.execute(_bulk("orders", first, BIG_ROWS))
    with contextlib.closing(Receiving()) as receiver, rig.streaming(receiver.url) as stream:
        receiver.wait(1, 60)
        time.sleep(READ_S)
        return Memory(BIG_ROWS, receiver.count()[0], stream.peak_mb())


def capture(rig: Rig, first: int) -> Capture:
    """Insert many rows with and without capture by turns; no stream runs. The slot keeps them."""
    plain: list[float] = []
    captured: list[float] = []
    for turn in range(ROUNDS):
        start = first + turn * BULK_ROWS
        for table, times in (("plain", plain), ("orders", captured)):
            rig.execute("CHECKPOINT")
            times.append(rig.execute(_bulk(table, start, BULK_ROWS)))
    ratios = [slow / fast for slow, fast in zip(captured, plain, strict=True)]
    return Capture(BULK_ROWS, *map(statistics.median, (plain, captured, ratios)))


def _limit(receiver: Receiving, requests: int) -> float:
    """Requests per second of the sender alone: nothing is read, matched or recorded."""
    event = Event(
        id="01976b5c-5c5e-7000-8000-000000000000",
        table_id=1,
        schema_name="public",
        table_name="orders",
        op="INSERT",
        created_at="2026-01-31T12:00:00.123456Z",
        xid=1,
        old=None,
        new=_ROW,
        session=None,
        trace=None,
        trigger_name=None,
        commit_lsn=Lsn(1),
        position=0,
    )
    content = (("content-type", "application/json"),)
    request = Request(
        f"{receiver.url}/orders", content, body(event, "order_added", 0, 5, "*"), 60.0
    )
    return uvloop.run(_post(request, requests))


async def _post(request: Request, requests: int) -> float:
    sender = PyreqwestSender()
    turns = iter(range(requests))

    async def work() -> None:
        for _turn in turns:
            [outcome] = await sender.send((request,))
            if not isinstance(outcome, Response) or not outcome.ok:
                raise BenchError(f"a plain request failed: {outcome}")

    began = time.monotonic()
    await asyncio.gather(*(work() for _worker in range(IN_FLIGHT)))
    took = time.monotonic() - began
    await sender.close()
    return requests / took


def _bulk(table: str, first: int, rows: int) -> str:
    return _BULK.format(table=table, first=first, last=first + rows - 1, values=_VALUES)


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]
