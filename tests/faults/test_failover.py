"""A standby server is promoted: with its slot or without, no event that it has is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.databases import create
from support.killing import PER_KILL
from support.load import Load
from support.replica import Replica
from support.scene import Scene
from support.waiting import wait_until
from support.witness import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.matrix import Matrix
    from support.servers import Server

GROUP = "The slot is lost"

_SYNCED = """
SELECT slot_name FROM pg_replication_slots
 WHERE slot_name = %s AND synced AND NOT temporary AND confirmed_flush_lsn > %s"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "kind", ["without its slot", pytest.param("with a synced slot", marks=pytest.mark.whole)]
)
@pytest.mark.parametrize(
    "ordering", ["key", *(pytest.param(o, marks=pytest.mark.whole) for o in ("none", "total"))]
)
def test_a_promoted_standby_loses_none_of_the_events_that_it_has(
    make_server: Callable[..., Server], matrix: Matrix, ordering: str, kind: str
) -> None:
    mode = Mode(ordering)
    server = make_server("18")
    if kind == "with a synced slot" and server.version < 17:
        pytest.skip(f"PostgreSQL {server.version} copies no slots")
    database = create(server)
    load = Load(database, matrix.scale(3_000, 8_000), per_second=1_000)
    with Scene(database, mode, load) as scene:
        replica = Replica(database)
        try:
            [(start,)] = database.execute("SELECT pg_current_wal_lsn()::text")
            load.start()
            scene.arrive(500)
            if kind == "with a synced slot":
                wait_until(
                    lambda: replica.execute(_SYNCED, database.slot, start), 60, "slot is synced"
                )
            scene.arrive(500)
            replica.promote()
            wait_until(lambda: "slot.recovered" in scene.stream.log, 90, "it recovers")
            scene.settle()
            verdict = scene.verdict()
        finally:
            replica.destroy()
    matrix.add(GROUP, f"standby promoted, {kind}", mode, verdict)
    # of what was delivered, what the standby had heard of depends on the moment
    verdict.check(duplicates=2 * PER_KILL)
