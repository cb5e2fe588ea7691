"""5: what order costs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from bench import load
from bench.drain import drain
from bench.figure import Figure, at_least
from bench.load import Keys
from bench.row import Row, Scale
from bench.scene import trigger
from bench.turns import by_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.nginx import Nginx
    from bench.rig import Rig
    from bench.scene import Scene

NONE: Final = "ordering none"
CASES: Final = {
    "10 keys": (Keys(10), None),
    "1,000 keys": (Keys(1_000), 0.85),
    "100,000 keys": (Keys(100_000), 0.85),
    "1,000 keys, one of them has a tenth of all": (Keys(1_000, 10), None),
}


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Drains with and without order by turns, each case in a database of its own."""
    events = scale.count(50_000, 1_000)
    judged = {name: case for name, case in CASES.items() if case[1] is not None}
    cases = CASES if scale.whole else judged
    with ExitStack() as stack:
        nginx = stack.enter_context(rig.nginx())
        runs: dict[str, Callable[[], float]] = {}
        for name, keys in [(NONE, Keys()), *((name, case[0]) for name, case in cases.items())]:
            scene = stack.enter_context(rig.scene())
            scene.execute(load.ORDERS)
            ordering = {"ordering": "none"} if name == NONE else {"ordering_key": ["customer_id"]}
            scene.apply(trigger("measured", **ordering))
            load.backlog(rig, scene, events, load.insert_script(keys=keys))
            runs[name] = _run(scene, nginx, events)
        runs[NONE]()  # warm-up
        found = by_turns(scale.rounds, runs)
    for name, (_, least) in cases.items():
        goal = None if least is None else at_least(least)
        yield Figure(name, "/s", found[name], found[NONE], NONE, goal)


def _run(scene: Scene, nginx: Nginx, events: int) -> Callable[[], float]:
    return lambda: drain(scene, nginx, events).per_s


ROW: Final = Row(
    5,
    "Order by key",
    measure,
    "A backlog of 50,000 single-row transactions for each case, to nginx, with `ordering_key` "
    "on a column of so many values. With 10 keys at most 10 requests are on their way at a "
    "time.",
)
