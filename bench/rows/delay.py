"""4: receivers that take their time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import load, wrk
from bench.drain import drain, sample
from bench.figure import Figure, at_least
from bench.receiving import receiving
from bench.row import Row, Scale
from bench.scene import specs
from bench.turns import by_turns, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig

DELAYS_MS: Final = {20: 40, 200: 200}
"""Connections in all for each delay: 2,000 and 1,000 requests per second by Little's law."""

TRIGGERS: Final = (1, 10, 100)


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """For each number of triggers a scene, for each delay wrk and a drain by turns."""
    for triggers in TRIGGERS if scale.whole else TRIGGERS[1:2]:
        for delay_ms, connections in DELAYS_MS.items():
            say(f" {triggers} triggers, {delay_ms} ms")
            yield from _measure(rig, scale, triggers, delay_ms, max(connections, triggers))


def _measure(
    rig: Rig, scale: Scale, triggers: int, delay_ms: int, connections: int
) -> Iterator[Figure]:
    law = connections / (delay_ms / 1000)
    events = max(connections // triggers * 10, int(law * scale.seconds(6, 2.0) / triggers))
    with rig.scene() as scene, receiving("--delay-ms", str(delay_ms)) as receiver:
        scene.execute(load.ORDERS)
        names = [f"t{number}" for number in range(triggers)]
        scene.apply(*specs(names, max_in_flight=connections // triggers))
        load.backlog(rig, scene, events)
        request = sample(scene)
        seconds = scale.seconds(3, 2)
        found = by_turns(
            scale.rounds,
            {
                "wrk": lambda: wrk.rate(receiver.url, request, connections, seconds),
                "stream": lambda: drain(scene, receiver, events * triggers).per_s,
            },
        )
    name = f"{delay_ms} ms, {triggers} triggers, {connections} connections"
    laws = (law,) * scale.rounds
    yield Figure(name, "/s", found["stream"], laws, "connections / latency", at_least(0.9))
    yield Figure(name, "/s", found["stream"], found["wrk"], "wrk, same receiver")


ROW: Final = Row(
    4,
    "Slow receivers",
    measure,
    "nginx cannot answer late without modules that Debian does not build in, so the receiver "
    "is a small one on asyncio and uvloop, in a process of its own: what wrk reaches there "
    "with as many connections is what it can take. Each event is delivered once for each "
    "trigger; the connections are shared out over the triggers by `max_in_flight`. The law's "
    "figure is what that many connections do if nothing else takes time.",
)
