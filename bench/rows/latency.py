"""7: how long after the commit an event has been delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import load, recvlogical
from bench.commits import SHARES, commit_times, percentiles, waits_ms
from bench.figure import Figure, Goal
from bench.programs import wait_until
from bench.receiving import receiving
from bench.row import Row, Scale
from bench.scene import trigger
from bench.turns import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig
    from bench.scene import Scene

RATES: Final = (10, 200, 1_000, 3_000)
GOALS: Final = {(200, "p50"): 2.0, (200, "p99"): 10.0, (3_000, "p99"): 50.0}
_ARRIVE_S: Final = 120.0
_WARM_S: Final = 1.0

Percentiles = dict[str, float]


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """For each rate the stream and pg_recvlogical by turns."""
    with rig.scene() as scene:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured"))
        for rate in RATES if scale.whole else (200, 3_000):
            seconds = scale.seconds(20 if rate < RATES[1] else 8, 2)
            ours: list[Percentiles] = []
            peers: list[Percentiles] = []
            wrote: list[float] = []
            for turn in range(scale.rounds):
                waits, per_s = ours_ms(rig, scene, rate, seconds)
                ours.append(percentiles(waits))
                peers.append(percentiles(_peers_ms(rig, scene, rate, seconds)))
                wrote.append(per_s)
                say(f"  {turn + 1}/{scale.rounds} {rate}/s: {_text(ours)} (decoded {_text(peers)})")
            yield from _figures(rate, ours, peers, wrote)


def ours_ms(rig: Rig, scene: Scene, rate: float, seconds: float) -> tuple[list[float], float]:
    """The waits of all events that are written meanwhile, and how many were written a second."""
    with (
        receiving("--timed") as receiver,
        scene.mark() as warm,
        scene.stream(receiver.url, warm) as stream,
    ):
        stream.wait_ready()
        load.steady(rig, scene, rate, _WARM_S)
        with scene.mark() as slot:
            per_s = load.steady(rig, scene, rate, seconds)
            committed = commit_times(scene, slot)
            wait_until(
                lambda: committed.keys() <= receiver.arrivals().keys(), _ARRIVE_S, "all arrived"
            )
        return waits_ms(committed, receiver.arrivals()), per_s


def _peers_ms(rig: Rig, scene: Scene, rate: float, seconds: float) -> list[float]:
    """From commit to pg_recvlogical's output; the commits of the warm-up are left out."""
    with scene.mark() as slot, recvlogical.watching(rig, scene, slot) as seen:
        scene.read_since(slot)
        load.steady(rig, scene, rate, _WARM_S)
        wanted = len(seen.commits)
        rows = scene.value("SELECT count(*) FROM orders")
        load.steady(rig, scene, rate, seconds)
        wanted += scene.value("SELECT count(*) FROM orders") - rows
        wait_until(lambda: len(seen.commits) >= wanted, _ARRIVE_S, "all commits were decoded")
    measured = seen.commits[-(scene.value("SELECT count(*) FROM orders") - rows) :]
    return [(now - committed) * 1000 for committed, now in measured]


def _figures(
    rate: int, ours: list[Percentiles], peers: list[Percentiles], wrote: list[float]
) -> Iterator[Figure]:
    for name in SHARES:
        bound = GOALS.get((rate, name))
        yield Figure(
            f"{rate:,}/s, {name}",
            "ms",
            tuple(each[name] for each in ours),
            tuple(each[name] for each in peers),
            "pg_recvlogical",
            None if bound is None else Goal("value", bound, most=True),
            f"{min(wrote):,.0f}/s were written",
        )


def _text(found: list[Percentiles]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in found[-1].items())


ROW: Final = Row(
    7,
    "Latency from commit to 2xx",
    measure,
    "pgbench writes single-row transactions at that rate (`-R`: Poisson, so they come in "
    "bursts too), with fsync. A wait is from the commit's own time in the WAL, which "
    "PostgreSQL takes before it waits for the disk, until the receiver has written its "
    "answer. The commit times are read from a second slot when all is over. The peer's is "
    "from the same time to the output of pg_recvlogical, in runs of its own by turns, with "
    "`-f -`.",
)
