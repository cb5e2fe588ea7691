"""6: one transaction of a million rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench import load, recvlogical
from bench.drain import Drained, drain, measured
from bench.figure import Figure, Goal, at_least
from bench.programs import wait_until
from bench.row import Row, Scale
from bench.scene import trigger
from bench.turns import by_turns, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.nginx import Nginx
    from bench.rig import Rig
    from bench.scene import Scene

_FIRST_S: Final = 120.0


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """The big transaction beside as many small ones."""
    rows, window = scale.count(1_000_000, 5_000), scale.count(50_000, 1_000)
    with rig.nginx() as nginx, rig.scene() as small, rig.scene() as big:
        for scene in (small, big):
            scene.execute(load.ORDERS)
            scene.apply(trigger("measured"))
            scene.pass_over()
        load.backlog(rig, small, window)
        big.execute(load.insert_many("orders", rows))
        big.execute("CHECKPOINT")
        found = by_turns(
            scale.rounds,
            {
                "pg_recvlogical, first byte (s)": lambda: _first_byte(rig, big),
                "stream, first delivery (s)": lambda: _first_delivery(big, nginx),
                "small transactions": lambda: drain(small, nginx, window).per_s,
                "one transaction": lambda: drain(big, nginx, window).per_s,
            },
        )
        byte, first, peers, ours = found.values()
        say(f" all {rows:,} rows")
        whole: Drained = drain(big, nginx, rows)
    later = tuple(one - other for one, other in zip(first, byte, strict=True))
    yield Figure(
        "first delivery after the transaction is decoded",
        "s",
        later,
        goal=Goal("value", 1.0, most=True),
    )
    yield Figure(
        "start of reading until the first delivery", "s", first, byte, "pg_recvlogical's first byte"
    )
    note = f"the first {window:,} events of each"
    yield Figure("rate", "/s", ours, peers, "transactions of one row", at_least(0.95), note)
    yield Figure(f"rate over all {rows:,} rows", "/s", (whole.per_s,))
    most = Goal("value", 200, most=True)
    yield Figure("peak memory of the stream", "MB", (whole.peak_mb,), goal=most)


def _first_byte(rig: Rig, scene: Scene) -> float:
    with scene.slot_copy() as slot, recvlogical.first_byte(rig, scene, slot) as seen:
        began = scene.read_since(slot)
        return seen() - began


def _first_delivery(scene: Scene, nginx: Nginx) -> float:
    before = nginx.count()[0]
    with scene.slot_copy() as slot, scene.stream(nginx.url, slot) as stream:
        began = scene.read_since(slot)
        wait_until(lambda: nginx.count()[0] > before, _FIRST_S, "the first delivery came")
        now = time.time()
        measured(stream, nginx, before, 1)
        return now - began


ROW: Final = Row(
    6,
    "One transaction of a million rows",
    measure,
    "PostgreSQL decodes a transaction as a whole before it sends its first row, so the first "
    "delivery is counted from there: the time from the start of the reading session to the "
    "first byte that pg_recvlogical gets, taken from the time to the first delivery, by "
    "turns. The rates are those of the first 50,000 events of a drain; memory is that of a "
    "stream that has delivered all of it.",
)
