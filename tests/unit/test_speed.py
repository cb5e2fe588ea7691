"""A guard against a fall in speed, without a benchmark: processor time, against a loop beside it.

Each part's time for an event is divided by the time of a plain Python loop that is run right before
and after it in this process, so a slow or busy machine is slow on both sides. The best of several
rounds counts: what else the machine does can only add. LIMITS says how the bounds were chosen.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from typing import TYPE_CHECKING

import pytest
from support.encoders import pgoutput_of, relation
from support.stream import trigger_row

from cdc_triggers.app.adapters import Adapters
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.app.streamer import Options, Streamer
from cdc_triggers.app.watch import Watch
from cdc_triggers.app.worker import Worker
from cdc_triggers.core.attempt import Response
from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.matching import Matcher
from cdc_triggers.core.messages import LogRow
from cdc_triggers.core.pgoutput import PgOutput
from cdc_triggers.telemetry.clock import SystemClock
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
    from collections.abc import Callable, Iterator, Sequence

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.messages import Message

EVENTS = 2_000
ROUNDS = 5
STEPS = 20_000
LIMITS = {"decode and match": 85.0, "deliver": 260.0}
"""Most turns of the loop that an event may cost.

Measured 20 times with Python 3.11 on 2 CPUs at a load of 8: 51.9 to 57.9, median 55.1; and 150.5 to
171.8, median 157.9. The bounds are 1.5 times the worst of them, and less than twice the best.
"""

ROW = (
    b'{"id":%d,"customer_id":345,"status":"paid","total":1763.57,"note":"left at the door",'
    b'"tags":{"gift": true},"updated_at":"2026-01-31T12:00:00.123456+00:00"}'
)


class Nowhere:
    """Implements `ports.Sender`: every request is answered at the next turn of the loop."""

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        await asyncio.sleep(0)
        return [Response(200, (), b"")] * len(requests)

    async def close(self) -> None:
        pass


class Facts:
    """Implements `ports.Telemetry`, and forgets."""

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


def loop() -> None:
    """What Python does all day: names, calls, numbers, bytes, small objects."""
    kept: dict[bytes, tuple[bytes, int]] = {}
    queue: deque[tuple[bytes, int]] = deque(maxlen=100)
    for number in range(STEPS):
        key = b"%d" % (number % 500)
        pair = (key, len(key.decode()) + number)
        kept[key] = pair
        queue.append(pair)
        if kept.get(b"x") is None and queue[0][1] < 0:
            kept.clear()


def transactions() -> Iterator[tuple[Message, ...]]:
    for number in range(1, EVENTS + 1):
        event_id = f"019a0000-0000-7000-8000-{number:012x}"
        row = log_row(event_id, xid=number, new=ROW % number)
        yield transaction(number * 100, [row], number)


def decode_and_match() -> Callable[[], None]:
    payloads = [relation(LogRow._fields)]
    payloads += [pgoutput_of(message) for each in transactions() for message in each]

    def run() -> None:
        decode, matcher, found = PgOutput().decode, Matcher([trigger_row(1, "key")]), 0
        for payload in payloads:
            message = decode(payload)
            if type(message) is LogRow:
                found += len(matcher.match(event_of(message, Lsn(1), 0)))
        assert found == EVENTS

    return run


def deliver() -> Callable[[], None]:
    every = tuple(transactions())
    return lambda: asyncio.run(_deliver(every))


async def _deliver(every: Sequence[Sequence[Message]]) -> None:
    clock, facts, slot, worker = SystemClock(), Facts(), Slot(), Worker()
    database, source, watch = MemoryDatabase(clock), ScriptedSource(slot), Watch(clock, facts)
    database.triggers[1] = trigger_row(1, "key", max_in_flight=64)
    source.feed(*every)
    adapters = Adapters(
        source,
        MemoryStore(database, slot, "guard"),
        MemoryRecovery(database, slot, "guard"),
        worker,
        Nowhere(),
        RequestFactory({}),
        clock,
        facts,
        watch,
    )
    streamer = Streamer(adapters, Options("guard", "pgoutput", 5.0))
    running = asyncio.ensure_future(streamer.run())
    meter = watch.meter.of("t-key")
    while meter.delivered < EVENTS and not running.done():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)
    streamer.stop()
    await running
    worker.close()
    assert meter.delivered == EVENTS


def processor_s(run: Callable[[], None]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def steps_an_event(run: Callable[[], None]) -> float:
    """The best of some rounds: how many turns of the loop take as long as one event."""
    run()
    found = []
    gc.collect()
    gc.disable()  # how much it does depends on what other tests have left
    try:
        for _ in range(ROUNDS):
            before, own, after = processor_s(loop), processor_s(run), processor_s(loop)
            found.append(own / EVENTS / (min(before, after) / STEPS))
    finally:
        gc.enable()
    return min(found)


PARTS = {"decode and match": decode_and_match, "deliver": deliver}


@pytest.mark.parametrize("part", PARTS)
def test_an_event_costs_no_more_processor_time_than_it_did(part: str) -> None:
    cost = steps_an_event(PARTS[part]())
    assert cost <= LIMITS[part], (
        f"{part}: one event takes as long as {cost:.0f} turns of a plain loop, at most "
        f"{LIMITS[part]:.0f} are allowed: see docs/reference/benchmark.md and profile it"
    )
