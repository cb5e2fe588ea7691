"""8: what a dead endpoint costs the others."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from bench import load
from bench.commits import commit_times, percentiles, waits_ms
from bench.drain import drain
from bench.figure import Figure, Goal, at_least
from bench.programs import wait_until
from bench.receiving import receiving
from bench.row import Row, Scale
from bench.scene import NOWHERE, specs
from bench.turns import by_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.nginx import Nginx
    from bench.rig import Rig
    from bench.scene import Scene

HEALTHY: Final = 9
PER_S: Final = 50
_ARRIVE_S: Final = 120.0
ALL: Final = "all ten healthy"


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Drains for the rate, steady writing for the latency; all with, refusing and hanging."""
    events = scale.count(3_000, 100)
    with ExitStack() as stack:
        nginx = stack.enter_context(rig.nginx())
        hanging = stack.enter_context(receiving("--hang"))
        scene = stack.enter_context(rig.scene())
        scene.execute(load.ORDERS)
        retry = {"num_retries": 3, "interval_sec": 10, "timeout_sec": 60}
        triggers = specs([f"t{number}" for number in range(HEALTHY + 1)], retry_conf=retry)
        triggers[-1]["webhook"] = "{{OTHER_URL}}/dead"
        scene.apply(*triggers)
        load.backlog(rig, scene, events)
        ends = {ALL: "", "refusing": NOWHERE, "hanging": hanging.url}
        if not scale.whole:
            del ends["refusing"]
        rates = {name: _rate(scene, nginx, events, url) for name, url in ends.items()}
        drained = by_turns(scale.rounds, rates)
        seconds = scale.seconds(8, 2)
        waits = {name: _p99(rig, scene, url, seconds) for name, url in ends.items()}
        waited = by_turns(scale.rounds, waits)
    for name in list(ends)[1:]:
        yield Figure(
            f"{name}: rate of the other nine",
            "/s",
            drained[name],
            drained[ALL],
            ALL,
            at_least(0.95),
        )
        most = Goal("ratio", 1.5, most=True)
        yield Figure(f"{name}: p99 of the other nine", "ms", waited[name], waited[ALL], ALL, most)


def _rate(scene: Scene, nginx: Nginx, events: int, url: str) -> Callable[[], float]:
    def run() -> float:
        environment = {"OTHER_URL": url} if url else {}
        among = HEALTHY + (not url)
        per_s = drain(scene, nginx, events * among, environment=environment).per_s
        scene.execute("TRUNCATE cdc_triggers.delivery")
        return per_s * HEALTHY / among

    return run


def _p99(rig: Rig, scene: Scene, url: str, seconds: float) -> Callable[[], float]:
    def run() -> float:
        with (
            receiving("--timed") as receiver,
            receiving() as tenth,
            scene.mark() as slot,
            scene.mark() as times,
            scene.stream(receiver.url, slot, environment={"OTHER_URL": url or tenth.url}) as stream,
        ):
            stream.wait_ready()
            load.steady(rig, scene, PER_S, seconds)
            committed = commit_times(scene, times)
            wanted = len(committed) * HEALTHY
            wait_until(lambda: receiver.count()[0] >= wanted, _ARRIVE_S, "the nine have all")
            arrived = receiver.arrivals()
        scene.execute("TRUNCATE cdc_triggers.delivery")
        return percentiles(waits_ms(committed, arrived))["p99"]

    return run


ROW: Final = Row(
    8,
    "One dead endpoint of ten",
    measure,
    "Ten triggers on one table. The rate is that of a drain of 3,000 events (30,000 "
    "deliveries) to nginx, that of nine of ten. The latency is that of the last of the nine "
    "at 50 events (500 deliveries) a second. The run without is the same with the tenth "
    "endpoint healthy. `refusing`: nothing listens there; `hanging`: it accepts and never "
    "answers.",
)
