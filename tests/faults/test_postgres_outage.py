"""PostgreSQL goes away and comes back: the stream reconnects, nothing is missing, order holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from support.load import Load
from support.scene import UNRECORDED, Scene, modes, private
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MakeServer
    from support.databases import Database
    from support.matrix import Matrix
    from support.witness import Mode

GROUP = "PostgreSQL fails"
WHOLE = pytest.mark.whole


def terminate(database: Database, kind: str) -> None:
    """End the stream's session of one kind, as soon as it has one."""
    wait_until(
        lambda: database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
            "AND backend_type = %s AND application_name LIKE 'cdc-triggers%%'",
            *(database.name, kind),
        ),
        what=f"the stream has a {kind}",
    )


def cut_walsender(database: Database) -> None:
    terminate(database, "walsender")


def cut_sql(database: Database) -> None:
    terminate(database, "client backend")


def restart_fast(database: Database) -> None:
    database.server.restart("fast")


def crash(database: Database) -> None:
    database.server.restart("immediate")


def kill_9(database: Database) -> None:
    database.server.kill()
    database.server.start()


class Fault(NamedTuple):
    """How PostgreSQL fails, in words and as code."""

    words: str
    strike: Callable[[Database], None]
    in_pick: bool = True


FAULTS = (
    Fault("fast restart", restart_fast, in_pick=False),
    Fault("immediate stop, crash recovery", crash),
    Fault("kill -9 of the postmaster", kill_9, in_pick=False),
    Fault("pg_terminate_backend of the walsender", cut_walsender),
    Fault("pg_terminate_backend of the SQL connection", cut_sql),
)


@pytest.mark.timeout(240)
@modes
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.strike.__name__, marks=() if fault.in_pick else WHOLE)
        for fault in FAULTS
    ],
)
def test_the_stream_survives(
    make_server: MakeServer, matrix: Matrix, mode: Mode, fault: Fault
) -> None:
    times = matrix.scale(1, 3)
    database = private(make_server, mode)
    sessions = 1 if mode.ordering == "total" else 2
    load = Load(database, 3_000 * times, sessions=sessions, per_second=2_000)
    with Scene(database, mode, load) as scene, load:
        for _ in range(times):
            scene.arrive()
            fault.strike(database)
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, fault.words, mode, verdict)
    verdict.check(duplicates=times * UNRECORDED)
