"""Nobody reads what the stream says: it delivers all the same, and it ends when it is told to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.machine import MuteStream, Stderr
from support.scene import PATIENT, UNRECORDED, Scene
from support.streaming import apply, trigger
from support.witness import Mode

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix

GROUP = "The machine"
WORDS: dict[Stderr, str] = {
    "closed": "stderr closed",
    "unread": "stderr a full pipe that nobody reads",
    "full": "stderr on a full disk",
}
WALSENDER = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s"
WHOLE = pytest.mark.whole


@pytest.mark.timeout(120)
@pytest.mark.parametrize("stderr", ["closed", "unread", pytest.param("full", marks=WHOLE)])
def test_a_stream_that_cannot_log_delivers_reconnects_and_ends_with_0(
    database: Database, matrix: Matrix, stderr: Stderr
) -> None:
    mode = Mode()
    load = Load(database, 2_000, per_second=2_000)
    with Scene(database, mode, load, stream=MuteStream(database, stderr)) as scene, load:
        scene.arrive()
        assert database.execute(WALSENDER, database.slot)
        scene.settle()
        began = time.monotonic()
        assert scene.stream.terminate() == 0
        assert time.monotonic() - began < 10
    verdict = scene.verdict()
    matrix.add(GROUP, WORDS[stderr], mode, verdict)
    verdict.check(duplicates=UNRECORDED)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("stderr", ["closed", "full", pytest.param("unread", marks=WHOLE)])
def test_a_stream_that_cannot_say_why_ends_with_its_exit_code_all_the_same(
    database: Database, stderr: Stderr
) -> None:
    database.execute("CREATE TABLE counter (id int PRIMARY KEY)")
    apply(database, trigger("counted", "counter", "http://127.0.0.1:9", retry_conf=PATIENT))
    stream = MuteStream(database, stderr, "--plugin", "wal2json").start(wait=False)
    try:
        assert stream.wait(30) == 1
    finally:
        stream.kill()
