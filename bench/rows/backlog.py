"""9: is a large backlog drained as fast as a small one?"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from bench import load
from bench.drain import drain
from bench.figure import Figure, at_least
from bench.programs import wait_until
from bench.row import Row, Scale
from bench.scene import NOWHERE, trigger
from bench.turns import by_turns, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.nginx import Nginx
    from bench.rig import Rig
    from bench.scene import Scene

_PARK_S: Final = 600.0
_STEP: Final = 500_000
_OLD: Final = """
INSERT INTO cdc_triggers.event_log
       (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name, new)
SELECT i %% 8, -i, gen_random_uuid(), 1, '3', now() - interval '1 hour',
       'INSERT', 'public', 'orders',
       json_build_object('id', i, 'customer_id', i %% 1000, 'status', 'paid',
                         'note', 'left at the door')
  FROM generate_series(%s, %s) AS i
"""


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Backlogs of three sizes, then the least one with more and more behind it."""
    with rig.nginx() as nginx:
        yield from _sizes(rig, scale, nginx)
        yield from _burdened(rig, scale, nginx, scale.count(10_000, 500))


def _sizes(rig: Rig, scale: Scale, nginx: Nginx) -> Iterator[Figure]:
    """The ends of one log by turns; all of it once."""
    small, middle = scale.count(10_000, 500), scale.count(100_000, 1_000)
    large = scale.count(1_000_000, 2_000)
    with rig.scene() as scene, ExitStack() as marks:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured"))
        slots = {}
        for size, less in ((large, middle), (middle, small), (small, 0)):
            slots[size] = marks.enter_context(scene.mark())
            load.backlog(rig, scene, size - less)
        runs = {size: _drain(scene, nginx, size, slot) for size, slot in slots.items()}
        runs[small]()  # warm-up
        sizes = ((middle, scale.rounds), (large, 1))
        for size, rounds in sizes if scale.whole else sizes[1:]:
            one, other = f"{small:,}", f"{size:,}"
            found = by_turns(rounds, {one: runs[small], other: runs[size]})
            name, flat = f"backlog of {other}", at_least(0.95)
            yield Figure(name, "/s", found[other], found[one], one, flat)


def _burdened(rig: Rig, scale: Scale, nginx: Nginx, events: int) -> Iterator[Figure]:
    """The small backlog in a database with a long log, and in one with many parked deliveries."""
    rows, deliveries = scale.count(10_000_000, 10_000), scale.count(100_000, 500)
    with ExitStack() as stack:
        runs: dict[str, Callable[[], float]] = {}
        for name in ("nothing", "log", "parked"):
            scene = stack.enter_context(rig.scene())
            scene.execute(load.ORDERS + ";" + load.ORDERS.replace("orders", "others"))
            scene.apply(trigger("measured"), trigger("other", "others"))
            scene.drop_slot(scene.slot)  # nobody reads it: it would only keep WAL
            if name == "log":
                _lengthen(scene, rows)
            elif name == "parked":
                _park(scene, deliveries)
            slot = stack.enter_context(scene.mark())
            load.backlog(rig, scene, events)
            runs[name] = _drain(scene, nginx, events, slot)
        found = by_turns(scale.rounds, runs)
    base, flat = f"{events:,} and nothing else", at_least(0.95)
    name = f"{events:,} behind a log of {rows:,} rows"
    yield Figure(name, "/s", found["log"], found["nothing"], base, flat)
    name = f"{events:,} beside {deliveries:,} parked"
    yield Figure(name, "/s", found["parked"], found["nothing"], base, flat)


def _lengthen(scene: Scene, rows: int) -> None:
    say(f" a log of {rows:,} rows")
    for first in range(1, rows + 1, _STEP):
        scene.execute(_OLD, first, min(first + _STEP - 1, rows))


def _park(scene: Scene, deliveries: int) -> None:
    """Deliveries of the other trigger, which is paused: the stream parks what comes for it."""
    say(f" {deliveries:,} parked")
    scene.command("triggers", "pause", "other")
    with scene.mark() as slot:
        scene.execute(load.insert_many("others", deliveries))
        with scene.stream(NOWHERE, slot):
            query = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'parked'"
            wait_until(lambda: scene.value(query) >= deliveries, _PARK_S, "all are parked")


def _drain(scene: Scene, nginx: Nginx, events: int, slot: str) -> Callable[[], float]:
    return lambda: drain(scene, nginx, events, slot).per_s


ROW: Final = Row(
    9,
    "Drain rate as the backlog grows",
    measure,
    "Drains of the last 10,000, the last 100,000 and all of 1,000,000 single-row transactions "
    "of one log to nginx; the largest once. Then 10,000 in a database whose log already has "
    "ten million rows, and in one where 100,000 deliveries of a paused trigger are parked, by "
    "turns with a database that has neither.",
)
