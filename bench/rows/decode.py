"""2: how fast the slot is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import load, recvlogical
from bench.drain import variant
from bench.figure import Figure, at_least
from bench.row import Row, Scale
from bench.scene import NOWHERE, trigger
from bench.turns import by_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Three readers of the same backlog by turns."""
    events = scale.count(100_000, 1_000)
    with rig.scene() as scene:
        scene.execute(load.ORDERS)
        scene.apply(trigger("measured"))
        load.backlog(rig, scene, events)
        end = scene.value("SELECT pg_current_wal_lsn()::text")
        recvlogical.rate(rig, scene, events, end)  # warm-up
        found = by_turns(
            scale.rounds,
            {
                "pg_recvlogical": lambda: recvlogical.rate(rig, scene, events, end),
                "decode": lambda: variant(scene, NOWHERE, events, "bench.decoding"),
                "stream": lambda: variant(scene, NOWHERE, events, "bench.variant", "--nowhere"),
            },
        )
    limit = found["pg_recvlogical"]
    peer = ("pg_recvlogical", at_least(0.8))
    yield Figure("read, decode and match", "/s", found["decode"], limit, *peer)
    yield Figure("the whole stream with a null sender", "/s", found["stream"], limit, *peer)


ROW: Final = Row(
    2,
    "Decode and match",
    measure,
    "A backlog of 100,000 single-row transactions, read from copies of one slot. "
    "pg_recvlogical writes to /dev/null, its start of some 20 ms included. The first figure "
    "is the product's reader, decoder and matcher in one loop with nothing behind them. The "
    "second is the whole `stream`: lanes, bodies, headers, recording of attempts in "
    "PostgreSQL, confirming; only the sender answers every request by itself.",
)
