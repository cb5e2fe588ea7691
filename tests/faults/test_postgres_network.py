"""The network to PostgreSQL fails: cut, silent, slow, gone. All arrives, in order, in a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.pg_proxy import Kind, PgProxy
from support.scene import UNRECORDED, Scene, modes, private
from support.waiting import wait_until
from support.witness import Mode

if TYPE_CHECKING:
    from conftest import MakeServer
    from support.matrix import Matrix

GROUP = "PostgreSQL fails"
NOTICED_S = 90
"""A server at work is deaf for half of its wal_sender_timeout, 30 s; 30 s more are patience."""
LEASE_S = 10
PER_SECOND = 500
"""Slow enough that there is load before, during and after the fault."""


@pytest.mark.timeout(240)
@modes
def test_connections_reset_again_and_again(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    times = matrix.scale(2, 10)
    database = private(make_server, mode)
    load = Load(database, 1_000 * times)
    with PgProxy(database) as proxy, Scene(database, mode, load, dsn=proxy.dsn) as scene, load:
        for _ in range(times):
            scene.arrive()
            proxy.cut()
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, "both connections reset by the network", mode, verdict)
    verdict.check(duplicates=times * UNRECORDED)


@pytest.mark.whole
@pytest.mark.timeout(240)
@modes
def test_a_network_that_is_down_and_comes_back(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode)
    load = Load(database, 2_000, per_second=PER_SECOND)
    with PgProxy(database) as proxy, Scene(database, mode, load, dsn=proxy.dsn) as scene, load:
        scene.arrive()
        proxy.stop()
        wait_until(lambda: not scene.stream.is_ready(), 20, "the stream notices")
        wait_until(lambda: scene.stream.log.count("stream.interrupted") > 3, 20, "it tries again")
        proxy.start()
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, "network down: cut and refused, then back", mode, verdict)
    verdict.check(duplicates=UNRECORDED)


@pytest.mark.whole
@pytest.mark.timeout(240)
@modes
def test_a_network_that_takes_200_ms_each_way(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode)
    load = Load(database, 2_000)
    with PgProxy(database) as proxy:
        proxy.delay_s = 0.2
        with Scene(database, mode, load, dsn=proxy.dsn) as scene, load:
            scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, "200 ms of delay in either direction", mode, verdict)
    verdict.check()


@pytest.mark.whole
@pytest.mark.timeout(240)
@modes
@pytest.mark.parametrize("seconds", [3, 25])
def test_a_network_that_passes_nothing_for_a_while(
    make_server: MakeServer, matrix: Matrix, mode: Mode, seconds: int
) -> None:
    """25 s are more than the lease of 10 s: the stream gives up its time as the leader."""
    database = private(make_server, mode)
    load = Load(database, (seconds + 4) * PER_SECOND, per_second=PER_SECOND)
    with PgProxy(database) as proxy, Scene(database, mode, load, dsn=proxy.dsn) as scene, load:
        scene.arrive()
        proxy.go_deaf()
        written = load.rounds_done + seconds * PER_SECOND // load.keys
        wait_until(lambda: load.rounds_done >= written, 60, "it goes on being deaf")
        proxy.hear()
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, f"both connections silent for {seconds} s, then all comes", mode, verdict)
    verdict.check(duplicates=UNRECORDED)


@pytest.mark.timeout(240)
@pytest.mark.whole
@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
@pytest.mark.parametrize(
    "kinds", [("sql",), ("replication",), ("sql", "replication")], ids="+".join
)
def test_connections_that_went_silent_for_ever_are_replaced_within_ninety_seconds(
    make_server: MakeServer, matrix: Matrix, kinds: tuple[Kind, ...], plugin: str
) -> None:
    """The server keeps its ends too, as it does behind a firewall that has forgotten them."""
    mode = Mode(plugin=plugin)
    database = private(make_server, mode)
    load = Load(database, 50 * PER_SECOND, per_second=PER_SECOND)
    with PgProxy(database) as proxy, Scene(database, mode, load, dsn=proxy.dsn) as scene, load:
        scene.arrive()
        assert proxy.silence(*kinds) >= len(kinds)  # the console has a connection of its own
        wait_until(
            lambda: "stream.interrupted" in scene.stream.log, NOTICED_S, "the stream notices"
        )
        scene.stream.wait_ready(60)
        scene.settle()
    verdict = scene.verdict()
    # the stream goes on sending while its lease runs, and can record nothing of it
    unrecorded = LEASE_S * PER_SECOND if "sql" in kinds else 0
    words = " and ".join({"sql": "SQL", "replication": "replication"}[kind] for kind in kinds)
    matrix.add(GROUP, f"{words} connection silent for ever", mode, verdict)
    verdict.check(duplicates=unrecorded + UNRECORDED, stall_s=NOTICED_S)
