"""The stream dies without warning: nothing is missing, order holds, few are repeated."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.killing import PER_KILL, times
from support.load import Load
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Mode, Witness

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Server

GROUP = "The stream dies"
ORDERINGS = (
    "key",
    pytest.param("none", marks=pytest.mark.whole),
    pytest.param("total", marks=pytest.mark.whole),
)
PER_SECOND = 1_000
SEED = 20_250_101


def kill_at_random(database: Database, matrix: Matrix, mode: Mode) -> None:
    events, kills = matrix.scale(2_000, 50_000), matrix.scale(2, 50)
    chance = random.Random(SEED)
    moments = sorted(chance.uniform(0, events * 0.95) for _ in range(kills))
    load = Load(database, events, per_second=PER_SECOND)
    with Endpoint() as endpoint:
        spec = trigger("counted", "counter", endpoint.url, ordering=mode.ordering)
        apply(database, spec, plugin=mode.plugin)
        stream = StreamProcess(database, "--plugin", mode.plugin)
        with Witness(database, [endpoint], stream) as witness, stream, load:
            for moment in moments:
                wait_until(lambda: len(endpoint.answered) >= moment, 120, "it goes on")  # noqa: B023
                stream.kill()
                stream.start()
            load.join()
            wait_settled(database, 120)
        verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, f"SIGKILL at random moments, {times(kills)}", mode, verdict)
    assert verdict.events == load.events
    verdict.check(duplicates=kills * PER_KILL)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_sigkill_at_random_moments_loses_nothing_and_keeps_order(
    database: Database, matrix: Matrix, ordering: str
) -> None:
    kill_at_random(database, matrix, Mode(ordering))


@pytest.mark.timeout(900)
@pytest.mark.servers("system")
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_sigkill_at_random_moments_loses_nothing_and_keeps_order_with_wal2json(
    wal2json: Server, database: Database, matrix: Matrix, ordering: str
) -> None:
    kill_at_random(database, matrix, Mode(ordering, "wal2json"))


@pytest.mark.timeout(300)
def test_sigkill_after_a_request_is_sent_and_before_its_answer_repeats_only_what_was_in_flight(
    database: Database, matrix: Matrix
) -> None:
    mode = Mode()
    kills = matrix.scale(1, 10)
    load = Load(database, kills * 500, per_second=PER_SECOND)
    moments = {int((n + 0.3) * 500) for n in range(kills)}
    stream = StreamProcess(database)
    requests = 0

    def answer(_body: dict[str, Any], _tries: int) -> Reply:
        nonlocal requests
        requests += 1
        if requests in moments:  # it has come in and is not answered
            os.kill(stream.pid, signal.SIGKILL)
            return Reply(status=503)
        return Reply()

    with Endpoint(answer) as endpoint:
        apply(database, trigger("counted", "counter", endpoint.url))
        with Witness(database, [endpoint], stream) as witness, stream, load:
            for _ in moments:
                stream.wait_killed()
                stream.start()
            load.join()
            wait_settled(database)
        verdict = witness.verdict(ordering=mode.ordering)
    fault = f"SIGKILL after a request was sent, before its answer, {times(kills)}"
    matrix.add(GROUP, fault, mode, verdict)
    verdict.check(duplicates=kills * PER_KILL)


@pytest.mark.timeout(120)
def test_a_failing_endpoint_that_recovers_gets_everything_in_order_across_a_kill(
    database: Database, matrix: Matrix
) -> None:
    mode = Mode()
    broken = threading.Event()
    broken.set()
    load = Load(database, 1_000)
    with Endpoint(lambda *_: Reply(status=503 if broken.is_set() else 200)) as endpoint:
        conf = {"num_retries": 1000, "interval_sec": 0, "jitter": False}
        apply(database, trigger("counted", "counter", endpoint.url, retry_conf=conf))
        stream = StreamProcess(database)
        with Witness(database, [endpoint], stream) as witness, stream:
            load.start().join()
            wait_until(lambda: len(endpoint.bodies) > 100, what="attempts fail")
            stream.kill()
            stream.start()
            broken.clear()
            wait_settled(database, 90)
        verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, "SIGKILL while all attempts fail and all is parked", mode, verdict)
    verdict.check()
