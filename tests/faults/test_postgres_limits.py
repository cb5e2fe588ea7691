"""PostgreSQL has no room left, on disk or for connections: nothing gets worse, then all comes."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from support.databases import create
from support.load import Load
from support.scene import UNRECORDED, Scene, modes, private
from support.streaming import StreamProcess
from support.volumes import wal_volume
from support.waiting import wait_until

if TYPE_CHECKING:
    from conftest import MakeServer
    from support.databases import Database
    from support.matrix import Matrix
    from support.witness import Mode

GROUP = "PostgreSQL fails"
SMALL_WAL = {"min_wal_size": "32MB", "max_wal_size": "32MB"}
FEW = 14
"""Connections that the server takes."""


def use_up_wal(database: Database) -> bool:
    """Take a segment of WAL; True if there was no room for it."""
    try:
        database.execute("SELECT pg_logical_emit_message(true, 'test', 'x'), pg_switch_wal()")
    except psycopg2.Error:
        return "No space left on device" in database.server.log_text()
    return False


@pytest.mark.timeout(240)
@modes
def test_a_full_wal_volume_stops_writers_and_loses_nothing(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode, **SMALL_WAL)
    server = database.server
    with wal_volume(server, 96) as volume:
        load = Load(database, matrix.scale(4_000, 20_000), per_second=2_000)
        with Scene(database, mode, load) as scene, load:
            scene.arrive()
            volume.fill()
            wait_until(lambda: use_up_wal(database), 30, "the server has no room for its WAL")
            wait_until(lambda: not scene.stream.is_ready(), 30, "the stream notices")
            tries = scene.stream.log.count("stream.interrupted") + 3
            wait_until(
                lambda: scene.stream.log.count("stream.interrupted") >= tries,
                30,
                "the stream tries again, at growing intervals",
            )
            volume.free()
            server.stop("immediate")
            server.start()
            scene.settle()
        verdict = scene.verdict()
    matrix.add(GROUP, "disk full on the WAL volume, PANIC, room again", mode, verdict)
    verdict.check(duplicates=2 * UNRECORDED)


class Crowd:
    """Takes all connections that a server has left."""

    def __init__(self, database: Database) -> None:
        self._dsn = database.dsn
        self._boss = database.connect()
        self._others: list[Any] = []

    def push_out(self, database: Database) -> None:
        """End the stream's SQL session, and take its place if it is not faster."""
        with self._boss.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
                "AND backend_type = 'client backend' AND application_name LIKE 'cdc-triggers%%'",
                [database.name],
            )
        self.fill()

    def fill(self) -> None:
        """Take whatever is free."""
        with suppress(psycopg2.OperationalError):
            while True:
                self._others.append(psycopg2.connect(self._dsn, application_name="test crowd"))

    def leave(self) -> None:
        """Make room."""
        while self._others:
            self._others.pop().close()


@pytest.mark.timeout(240)
@modes
def test_a_stream_that_finds_no_connection_left_comes_back_when_there_is_one(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode, max_connections=str(FEW))
    load = Load(database, matrix.scale(2_000, 6_000), per_second=600)
    with ExitStack() as stack:
        crowd = Crowd(database)
        stack.callback(crowd.leave)
        scene = stack.enter_context(Scene(database, mode, load))
        with load:
            scene.arrive()

            def left_out() -> bool:
                crowd.push_out(database)
                return "too many clients" in scene.stream.log

            wait_until(left_out, 30, "the stream finds no connection")
            wait_until(lambda: scene.stream.log.count("too many clients") > 3, 30, "it tries again")
            crowd.leave()
            scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, "max_connections reached, then room again", mode, verdict)
    verdict.check(duplicates=4 * UNRECORDED)


@pytest.mark.timeout(60)
def test_a_first_start_that_finds_no_connection_left_says_so_and_ends(
    make_server: MakeServer,
) -> None:
    database = create(make_server("18", max_connections=str(FEW)))
    crowd = Crowd(database)
    crowd.fill()
    try:
        stream = StreamProcess(database).start(wait=False)
        assert stream.wait() == 1
        wait_until(lambda: "close some, or raise max_connections" in stream.log, 5)
        assert "Traceback" not in stream.log
    finally:
        crowd.leave()
