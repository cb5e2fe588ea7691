"""One endpoint of ten is dead: the other nine do not notice, and the slot goes on."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import datetime
from statistics import median_low, quantiles
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.misbehaving import Fault, faults
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_confirmed
from support.waiting import wait_until
from support.witness import Mode, Witness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.databases import Database
    from support.matrix import Matrix

    from cdc_triggers.http.receiver import Received, Reply

GROUP = "Endpoints fail"
NINE = 9
KEYS = 6
EVENTS_PER_S = 60.0
"""Six hundred deliveries a second: the receivers of this process are no bottleneck."""

MIB = 1024 * 1024
FLOOR_S = 0.05
"""A difference below this is the machine's, not the dead endpoint's."""

TURNS = 3
"""At most; fewer if they are clear."""

PATIENT = {"num_retries": 100_000, "interval_sec": 1, "jitter": False}
REFUSES, HANGS = (
    next(f for f in faults() if f.words == words)
    for words in ("refuses connections", "never answers")
)
PARKED = "SELECT count(*) FROM cdc_triggers.delivery WHERE trigger_name = 'tenth'"


class Timed(Endpoint):
    """Notes for each arrival how long ago its row changed."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.waits_s: list[float] = []

    def _handle(self, request: Received) -> Reply:
        created_at = json.loads(request.body)["created_at"]
        self.waits_s.append(time.time() - datetime.fromisoformat(created_at).timestamp())
        return super()._handle(request)


class Watch:
    """What the nine have got while the load goes on."""

    def __init__(self, nine: Sequence[Timed], load: Load, rounds: int) -> None:
        self._nine = nine
        self._load = load
        self._rounds = rounds

    def p99(self) -> float:
        """Seconds from the change of a row to its arrival, over the next rounds."""
        before = [len(e.waits_s) for e in self._nine]
        until = self._load.rounds_done + self._rounds
        wait_until(lambda: self._load.rounds_done >= until, 120, "the rounds are written")
        waits = [w for e, n in zip(self._nine, before, strict=True) for w in e.waits_s[n:]]
        return quantiles(waits, n=100)[-1]


def ten(database: Database, nine: Sequence[Timed], tenth: str) -> None:
    """A trigger for each on the one table."""
    urls = {f"t{n}": e.url for n, e in enumerate(nine)} | {"tenth": tenth}
    apply(database, *(trigger(n, "counter", u, retry_conf=PATIENT) for n, u in urls.items()))


def unharmed(well: list[float], dead: list[float]) -> bool:
    """Within twice of the run without a dead one; the lower median: noise can only add."""
    usual, now = median_low(well), median_low(dead)
    return now <= max(2 * usual, usual + FLOOR_S)


def check(database: Database, matrix: Matrix, fault: Fault) -> None:
    """Compare the p99 of the nine while the tenth is well and while it is dead, in turns."""
    turns, rounds = matrix.scale(1, 3), matrix.scale(35, 100)
    load = Load(database, 100_000 * KEYS, keys=KEYS, per_second=EVENTS_PER_S, single_rows=True)
    well: list[float] = []
    dead: list[float] = []
    with contextlib.ExitStack() as stack:
        nine = [stack.enter_context(Timed()) for _ in range(NINE)]
        stream = StreamProcess(database)
        with fault.serve() as bad:
            port = bad.port
            ten(database, nine, bad.url)
        stack.enter_context(stream)
        witness = stack.enter_context(Witness(database, nine, stream))
        stack.enter_context(load)
        stack.callback(load.stop)
        watch = Watch(nine, load, rounds)
        while len(dead) < turns or not (unharmed(well, dead) or len(dead) == TURNS):
            with Timed(port=port):
                wait_until(lambda: not database.execute(PARKED)[0][0], 60, "it has caught up")
                well.append(watch.p99())
            with fault.serve(port):
                dead.append(watch.p99())
                wait_confirmed(database, 10)
                assert database.execute(PARKED)[0][0] >= KEYS
        load.stop()
        load.join()
        logged = load.captured()
        wait_until(lambda: all(len(e.answered) == logged for e in nine), 30, "nine have all")
    verdict = witness.verdict()
    usual, now = (f"{1000 * median_low(seen):.0f} ms" for seen in (well, dead))
    words = f"one of ten {fault}: p99 of the nine {now}, {usual} without"
    matrix.add(GROUP, words, Mode(), verdict)
    verdict.check()
    assert verdict.wal_peak < 64 * MIB
    assert unharmed(well, dead), (well, dead)


@pytest.mark.timeout(240)
def test_nine_endpoints_stay_at_full_speed_while_the_tenth_hangs(
    database: Database, matrix: Matrix
) -> None:
    check(database, matrix, HANGS)


@pytest.mark.whole
@pytest.mark.timeout(240)
def test_nine_endpoints_stay_at_full_speed_while_the_tenth_refuses(
    database: Database, matrix: Matrix
) -> None:
    check(database, matrix, REFUSES)
