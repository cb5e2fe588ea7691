"""10: what a stream costs that has nothing to do."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from bench import load
from bench.figure import Figure, Goal
from bench.receiving import receiving
from bench.row import Row, Scale
from bench.scene import trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig
    from bench.scene import Scene

_STATEMENT: Final = re.compile(r"LOG:  statement: (?P<bracket>(?:BEGIN|COMMIT|ROLLBACK)\b)?")
_SETTLE_S: Final = 3.0


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """One stream, for a minute."""
    seconds = scale.seconds(60, 5)
    with rig.scene() as scene, receiving() as receiver:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured"))
        # of this database, for sessions that begin from now on: the benchmark's own has begun
        scene.execute(f"ALTER DATABASE \"{scene.name}\" SET log_statement = 'all'")
        with scene.mark() as slot, scene.stream(receiver.url, slot) as stream:
            stream.wait_ready()
            time.sleep(_SETTLE_S)
            before, used, began = _statements(scene), stream.cpu_s(), time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            cpu = (stream.cpu_s() - used) / took * 100
            after = _statements(scene)
    queries, brackets = ((now - then) / took for now, then in zip(after, before, strict=True))
    least = Goal("value", 0.5, most=True)
    yield Figure("processor time, of one core", "%", (cpu,), goal=least)
    note = f"besides {brackets:.2f}/s BEGIN and COMMIT; over {took:.0f} s"
    few = Goal("value", 1.0, most=True)
    yield Figure("queries on the user's database", "/s", (queries,), goal=few, note=note)


def _statements(scene: Scene) -> tuple[int, int]:
    """Queries that the server has logged, and what only begins or ends a transaction."""
    found = [m["bracket"] for m in _STATEMENT.finditer(scene.log.read_text(errors="replace"))]
    return found.count(None), len(found) - found.count(None)


ROW: Final = Row(
    10,
    "Idle",
    measure,
    "A stream with one trigger on a database where nothing happens, for a minute. Processor "
    "time of its process; statements as the server logs them with `log_statement = all`.",
)
