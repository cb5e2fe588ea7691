"""The machine of the stream is not well: its clock steps, it sleeps, it has too little memory."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.load import Load
from support.machine import JumpingStream, limit_memory
from support.scene import UNRECORDED, Scene, modes, private
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import MakeServer
    from support.databases import Database
    from support.matrix import Matrix
    from support.witness import Mode

GROUP = "The machine"
HOUR_S = 3600


def refuse_some(mode: Mode) -> Callable[[dict[str, Any], int], Reply]:
    """Some events are refused at first: so some are always parked and claimed.

    With `total` each holds up all that follow for the interval of a retry: then they are few.
    """
    keys = 1 if mode.ordering == "total" else 20

    def decide(body: dict[str, Any], tries: int) -> Reply:
        row = body["event"]["data"]["new"]
        refused = row["seq"] % 20 == 3 and row["id"] <= keys and not tries
        return Reply(status=503 if refused else 200)

    return decide


def parked(database: Database) -> int:
    [(count,)] = database.execute(
        "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'parked'"
    )
    return int(count)


@pytest.mark.timeout(240)
@modes
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(-HOUR_S, id="back"),
        pytest.param(HOUR_S, id="forward", marks=pytest.mark.whole),
    ],
)
def test_a_wall_clock_that_steps_an_hour_delays_no_retry_and_no_claim(
    make_server: MakeServer, matrix: Matrix, mode: Mode, first: int, tmp_path: Path
) -> None:
    database = private(make_server, mode)
    load = Load(database, matrix.scale(3_000, 10_000), per_second=1_000)
    stream = JumpingStream(database, tmp_path / "wrong-by", "--plugin", mode.plugin)
    with Scene(database, mode, load, stream=stream, decide=refuse_some(mode)) as scene, load:
        for step in (first, -first, 0):
            wait_until(lambda: parked(database), 30, "retries are pending")
            stream.step(step)
            scene.arrive()
        scene.settle()
        assert "stream.interrupted" not in stream.log
    verdict = scene.verdict()
    way = "back" if first < 0 else "forward"
    matrix.add(
        GROUP, f"wall clock steps an hour {way}, then two hours the other way", mode, verdict
    )
    verdict.check(stall_s=20)


@pytest.mark.timeout(300)
@modes
@pytest.mark.parametrize("silence_s", [2, pytest.param(60, marks=pytest.mark.whole)])
def test_a_stream_that_is_stopped_until_the_server_hangs_up_goes_on_when_it_wakes(
    make_server: MakeServer, matrix: Matrix, mode: Mode, silence_s: int
) -> None:
    database = private(make_server, mode, wal_sender_timeout=f"{silence_s}s")
    load = Load(database, 250 * (silence_s + 4), per_second=250)
    senders = "SELECT count(*) FROM pg_stat_replication"
    with Scene(database, mode, load) as scene, load:
        scene.arrive()
        os.kill(scene.stream.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: database.execute(senders) == [(0,)], 100, "the server hangs up")
        finally:
            os.kill(scene.stream.pid, signal.SIGCONT)
        wait_until(lambda: "stream.interrupted" in scene.stream.log, 20, "it notices")
        scene.settle()
    verdict = scene.verdict()
    words = f"SIGSTOP for longer than wal_sender_timeout ({silence_s} s)"
    matrix.add(GROUP, words + (" and the lease" if silence_s > 10 else ""), mode, verdict)
    verdict.check(duplicates=UNRECORDED, stall_s=60 if silence_s < 10 else 100)


@pytest.mark.timeout(240)
@modes
def test_too_little_memory_may_end_the_stream_and_the_next_start_delivers_all(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    largest = 1 * 1024 * 1024
    database = private(make_server, mode)
    load = Load(database, matrix.scale(30, 200), keys=10, width=largest)
    with Scene(database, mode, load) as scene:
        limit_memory(scene.stream.pid, 24 * 1024 * 1024)
        with load:
            wait_until(
                lambda: not scene.stream.running or len(scene.endpoint.bodies) >= load.events,
                *(60, "it ends, or gets by with what it has"),
            )
        scene.stream.kill()
        scene.stream.start()
        scene.settle()
    verdict = scene.verdict()
    matrix.add(GROUP, "memory limit hit (RLIMIT_AS), started again without", mode, verdict)
    verdict.check(duplicates=UNRECORDED, largest_row=2 * largest)
