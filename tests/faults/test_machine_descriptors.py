"""No file descriptor is left: what cannot be sent is parked, nothing spins, and then all comes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.machine import busy_share, give_descriptors, leave_no_descriptor
from support.scene import UNRECORDED, Scene, modes, private
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MakeServer
    from support.matrix import Matrix
    from support.witness import Mode

GROUP = "The machine"
FAILED = (
    "SELECT count(*) FROM cdc_triggers.delivery "
    "WHERE status = 'parked' AND last_error LIKE '%too many open files%'"
)
FIGURES = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'cdc-triggers metrics'"
)
SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name LIKE 'cdc-triggers%'"
)


@contextmanager
def exhausted(pid: int, *, for_reuse: bool) -> Iterator[None]:
    leave_no_descriptor(pid, for_reuse=for_reuse)
    try:
        yield
    finally:
        give_descriptors(pid)


@pytest.mark.timeout(180)
@modes
def test_without_descriptors_for_endpoints_deliveries_are_parked_and_retried(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode)
    # without order every event is attempted each second, which is work: a few show whether it spins
    load = Load(database, 200 if mode.ordering == "none" else matrix.scale(1_000, 5_000))
    with Scene(database, mode, load) as scene:
        wait_until(lambda: database.execute(FIGURES)[0][0], what="all connections are open")
        with exhausted(scene.stream.pid, for_reuse=True):
            with load:
                wait_until(lambda: database.execute(FAILED)[0][0], 30, "attempts fail")
            assert not scene.stream.is_ready(), "nobody can ask it: it has no descriptor"
            assert busy_share(scene.stream.pid) < 0.7
            assert scene.stream.running
        scene.settle()
        assert "stream.interrupted" not in scene.stream.log
    verdict = scene.verdict()
    matrix.add(GROUP, "file descriptors used up: no connection to endpoints", mode, verdict)
    verdict.check()


@pytest.mark.whole
@pytest.mark.timeout(180)
@modes
def test_without_descriptors_to_reconnect_the_stream_tries_until_there_are_some(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode)
    load = Load(database, matrix.scale(3_000, 6_000), per_second=600)
    with Scene(database, mode, load) as scene, load:
        scene.arrive()
        with exhausted(scene.stream.pid, for_reuse=False):
            assert database.execute(SESSIONS)
            wait_until(
                lambda: scene.stream.log.count("no file descriptor is left") > 3,
                *(30, "it cannot reconnect, and tries again"),
            )
            assert busy_share(scene.stream.pid) < 0.5
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, "file descriptors used up: no reconnect to PostgreSQL", mode, verdict)
    verdict.check(duplicates=UNRECORDED)
