"""3: how fast events are delivered, one a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import load, wrk
from bench.drain import Drained, drain, sample
from bench.figure import Figure, Goal, at_least
from bench.row import Row, Scale
from bench.scene import trigger
from bench.turns import by_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig

CONNECTIONS: Final = 64
_FAST_WRK: Final = 50_000


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Wrk and a drain by turns."""
    events = scale.count(200_000, 1_000)
    drained: list[Drained] = []
    with rig.scene() as scene, rig.nginx() as nginx:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured", max_in_flight=CONNECTIONS))
        load.backlog(rig, scene, events)
        request = sample(scene)
        wrk.rate(nginx.url, request, CONNECTIONS, 1)  # warm-up

        def ours() -> float:
            drained.append(drain(scene, nginx, events))
            return drained[-1].per_s

        seconds = scale.seconds(5)
        found = by_turns(
            scale.rounds,
            {"wrk": lambda: wrk.rate(nginx.url, request, CONNECTIONS, seconds), "stream": ours},
        )
    size = f"body of {len(request.body)} bytes, {CONNECTIONS} connections"
    yield Figure("events", "/s", found["stream"], found["wrk"], "wrk", at_least(0.2), size)
    fast = min(found["wrk"]) >= _FAST_WRK
    note = "" if fast else f"not judged: wrk does not do {_FAST_WRK:,}/s here"
    goal = Goal("value", 8_000) if fast else None
    yield Figure("events where wrk does 50,000/s", "/s", found["stream"], goal=goal, note=note)
    yield Figure(
        "processor time of the stream for an event", "us", tuple(d.cpu_us for d in drained)
    )
    yield Figure("peak memory of the stream", "MB", tuple(d.peak_mb for d in drained))


ROW: Final = Row(
    3,
    "Deliver one event a request",
    measure,
    "A backlog of 200,000 single-row transactions, each row with a key of its own, `ordering: "
    "key`, to nginx. From the first request that arrives to the last. wrk (one thread) posts "
    "the same body with the same headers over as many connections. PostgreSQL decodes, and "
    "records the attempts, on the same processors.",
)
