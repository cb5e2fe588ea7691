"""`pg_ctl stop -m fast` never waits for the stream, whatever that is doing."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.scene import UNRECORDED, Scene, modes, private
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from conftest import MakeServer
    from support.databases import Database
    from support.matrix import Matrix
    from support.witness import Mode

GROUP = "PostgreSQL fails"
PATIENCE_S = 5.0
"""More than a stop without a stream may take: the machine has other work too."""


def stop_s(database: Database) -> float:
    """Stop the server and start it again; how long the stop took."""
    began = time.monotonic()
    database.server.stop("fast")
    took = time.monotonic() - began
    database.server.start()
    return took


def without_stream_s(database: Database) -> float:
    """How long a stop takes that waits for nobody."""
    database.execute("CREATE TABLE other (id int); INSERT INTO other VALUES (1)")
    return stop_s(database)


@pytest.mark.timeout(180)
@modes
def test_a_fast_stop_does_not_wait_for_a_busy_stream(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode)
    alone_s = without_stream_s(database)
    load = Load(database, 6_000, per_second=3_000)
    with Scene(database, mode, load) as scene, load:
        scene.arrive()
        took_s = stop_s(database)
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, f"pg_ctl stop -m fast, stream busy: took {took_s:.1f} s", mode, verdict)
    verdict.check(duplicates=UNRECORDED)
    assert took_s < alone_s + PATIENCE_S


@pytest.mark.timeout(180)
@modes
@pytest.mark.parametrize(
    "draining",
    [
        pytest.param(False, id="streaming", marks=pytest.mark.whole),
        pytest.param(True, id="draining"),
    ],
)
def test_a_fast_stop_does_not_wait_for_an_endpoint_that_hangs(
    make_server: MakeServer, matrix: Matrix, mode: Mode, *, draining: bool
) -> None:
    database = private(make_server, mode)
    alone_s = without_stream_s(database)
    hangs = threading.Event()
    hangs.set()
    load = Load(database, 500)
    with Scene(
        database,
        mode,
        load,
        options=("--drain-timeout", "30"),
        decide=lambda *_: Reply(status=503, delay_s=60) if hangs.is_set() else Reply(),
    ) as scene:
        with load:
            wait_until(lambda: scene.endpoint.bodies, what="an attempt hangs")
        if draining:
            os.kill(scene.stream.pid, signal.SIGTERM)
        took_s = stop_s(database)
        hangs.clear()
        if draining:
            scene.stream.wait(40)
            scene.stream.start()
        scene.settle()
    verdict = scene.verdict()
    doing = "draining" if draining else "streaming"
    words = f"pg_ctl stop -m fast, endpoint hangs, {doing}: took {took_s:.1f} s"
    matrix.add(GROUP, words, mode, verdict)
    verdict.check(duplicates=UNRECORDED)
    assert took_s < alone_s + PATIENCE_S


@pytest.mark.whole
@pytest.mark.timeout(180)
@modes
def test_a_fast_stop_does_not_wait_for_an_idle_stream(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    database = private(make_server, mode)
    alone_s = without_stream_s(database)
    load = Load(database, 500)
    with Scene(database, mode, load) as scene:
        with load:
            scene.arrive()
        scene.settle()
        took_s = stop_s(database)
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, f"pg_ctl stop -m fast, stream idle: took {took_s:.1f} s", mode, verdict)
    verdict.check()
    assert took_s < alone_s + PATIENCE_S
