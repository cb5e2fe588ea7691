"""11: what tracing costs, and recording attempts."""

from __future__ import annotations

import contextlib
import multiprocessing
from typing import TYPE_CHECKING, Final

from bench import load, tracing
from bench.drain import drain, variant
from bench.figure import Figure, at_least
from bench.row import Row, Scale
from bench.scene import trigger
from bench.turns import by_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig

_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Drains with and without, by turns."""
    events = scale.count(50_000, 1_000)
    with rig.scene() as scene, rig.nginx() as nginx, _collector() as collector:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured"))
        load.backlog(rig, scene, events)
        traced = {_TRACES: collector}
        drain(scene, nginx, min(events, 1_000))  # warm-up
        found = by_turns(
            scale.rounds,
            {
                "without tracing": lambda: drain(scene, nginx, events).per_s,
                "every event traced": lambda: drain(scene, nginx, events, environment=traced).per_s,
                "attempts recorded": lambda: variant(scene, nginx.url, events, "bench.variant"),
                "not recorded": lambda: variant(
                    scene, nginx.url, events, "bench.variant", "--forgetful"
                ),
            },
        )
    off, on, recorded, forgotten = found.values()
    yield Figure("tracing every event", "/s", on, off, "without", at_least(0.9))
    yield Figure("recording attempts", "/s", recorded, forgotten, "without", at_least(0.9))
    yield _alone(scale)


def _alone(scale: Scale) -> Figure:
    """The stream's own work only: no PostgreSQL takes its share of the processors."""
    without, traced = tracing.by_turns(scale.count(20_000, 1_000), scale.rounds)
    per_s = tuple(1 / used for used in traced), tuple(1 / used for used in without)
    note = "events per second of processor time, on stand-ins for PostgreSQL"
    return Figure("tracing every event, by processor time", "/s", *per_s, "without", note=note)


@contextlib.contextmanager
def _collector() -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=tracing.serve_collector, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1/traces"
    finally:
        process.terminate()
        process.join()


ROW: Final = Row(
    11,
    "Tracing, and recording attempts",
    measure,
    "Drains of 50,000 events to nginx: with OTLP export of every span to a collector in a "
    "process of its own that reads and forgets them; and, in a variant of the stream made for "
    "this, with a store that does not write the attempts. The last figure is processor time "
    "of the stream alone, on stand-ins for PostgreSQL: tracing's share is larger there than "
    "in any real stream.",
)
