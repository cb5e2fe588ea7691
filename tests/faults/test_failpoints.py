"""Killed at the worst places, one by one: the next start finds all that is needed to go on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.killing import PER_KILL, times
from support.load import Load
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Mode, Witness

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Server

GROUP = "The stream dies"
NAME = "counted"
PER_SECOND = 1_000
MOST = 10_000
"""Events per kill at most: the load ends with the last kill."""

SEED = 20_250_102
AT_ONCE = {"num_retries": 1_000, "interval_sec": 0, "jitter": False}


RECORDED = "SELECT event_id::text FROM cdc_triggers.attempt WHERE outcome = 'delivered'"


class Point(NamedTuple):
    """A place of `support.failpoint`, in words, and how many times at most it is passed before."""

    place: str
    fault: str
    passes: int


POINTS = (
    Point("received", "after receive", 20),
    Point("answered", "after an answer", 500),
    Point("recording", "before attempts are recorded", 3),
    Point("recorded", "after attempts were recorded, before the LSN is confirmed", 3),
    Point("parking", "in the middle of parking", 5),
)
IN_EVERY_RUN = {"recorded", "parking"}
CASES = [
    pytest.param(
        Mode(ordering),
        point,
        id=f"{ordering}-{point.place}",
        marks=() if ordering == "key" and point.place in IN_EVERY_RUN else pytest.mark.whole,
    )
    for ordering in ("key", "none", "total")
    for point in POINTS
]


class Record:
    """What was recorded as delivered when the stream died: it may not be sent again."""

    def __init__(self, database: Database, endpoint: Endpoint) -> None:
        self._database = database
        self._endpoint = endpoint
        self._answers: dict[tuple[str, str], int] = {}

    def take(self) -> None:
        """Note what is recorded now."""
        for (event_id,) in self._database.execute(RECORDED):
            place = (event_id, NAME)
            self._answers.setdefault(place, self._endpoint.answered[place])

    def check(self) -> None:
        """Nothing of it has come again."""
        again = [p for p, n in self._answers.items() if self._endpoint.answered[p] != n]
        assert not again, f"{len(again)} of {len(self._answers)} came again"


def some_fail(mode: Mode) -> Callable[[dict[str, Any], int], Reply]:
    """First attempts for some keys, so there is something to park all the time.

    For `total` only one key in fifty: every retry holds up all that comes after it.
    """
    every = 50 if mode.ordering == "total" else 5

    def answer(body: dict[str, Any], tries: int) -> Reply:
        fails = body["event"]["data"]["new"]["id"] % every == 0 and tries == 0
        return Reply(status=503 if fails else 200)

    return answer


def kill_at(database: Database, matrix: Matrix, mode: Mode, point: Point) -> None:
    kills = matrix.scale(1, 5)
    chance = random.Random(f"{SEED} {mode} {point.place}")
    slow = mode.ordering == "total" and point.place == "parking"
    load = Load(database, kills * MOST, per_second=PER_SECOND / 5 if slow else PER_SECOND)
    with Endpoint(some_fail(mode) if point.place == "parking" else None) as endpoint:
        options = {"ordering": mode.ordering, "retry_conf": AT_ONCE}
        apply(database, trigger(NAME, "counter", endpoint.url, **options), plugin=mode.plugin)
        stream = StreamProcess(database, "--plugin", mode.plugin)
        record = Record(database, endpoint)
        with Witness(database, [endpoint], stream) as witness, load:
            for _ in range(kills):
                nth = chance.randint(1, point.passes)
                stream.start(failpoint=(point.place, nth)).wait_killed()
                record.take()
            load.stop()
            with stream.start():
                load.join()
                wait_settled(database, 200)
        verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, f"SIGKILL {point.fault}, {times(kills)}", mode, verdict)
    assert verdict.events == load.written
    verdict.check(duplicates=kills * PER_KILL)
    record.check()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("mode", "point"), CASES)
def test_killed_at_a_named_place_it_goes_on_and_repeats_no_more_than_it_must(
    database: Database, matrix: Matrix, mode: Mode, point: Point
) -> None:
    kill_at(database, matrix, mode, point)


@pytest.mark.whole
@pytest.mark.timeout(300)
@pytest.mark.servers("system")
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.place)
@pytest.mark.parametrize("ordering", ["key", "none", "total"])
def test_killed_at_a_named_place_it_goes_on_with_wal2json(
    wal2json: Server, database: Database, matrix: Matrix, ordering: str, point: Point
) -> None:
    kill_at(database, matrix, Mode(ordering, "wal2json"), point)


OLD = """
INSERT INTO cdc_triggers.event_log
    (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name)
SELECT cdc_triggers.event_bucket(at), n, gen_random_uuid(), -1, '1', at, 'INSERT', 'public', 'old'
  FROM (SELECT clock_timestamp() - interval '7 days' AS at) moment, generate_series(1, 1000) n"""
NEW_IDS = "SELECT id::text FROM cdc_triggers.event_log WHERE table_name = 'counter'"
SETTLES = "SELECT FROM cdc_triggers.stream WHERE settled_snapshot IS NOT NULL"
OLD_COUNT = "SELECT count(*) FROM cdc_triggers.event_log WHERE table_name = 'old'"


@pytest.mark.timeout(120)
def test_killed_while_it_truncates_a_bucket_it_leaves_the_bucket_whole_and_truncates_it_later(
    database: Database, matrix: Matrix
) -> None:
    mode = Mode()
    kills = matrix.scale(1, 5)
    load = Load(database, kills * MOST, per_second=PER_SECOND)
    with Endpoint() as endpoint:
        apply(database, trigger(NAME, "counter", endpoint.url))
        stream = StreamProcess(database)
        with stream.start():  # a bucket is kept as long as nothing is known to be settled
            wait_until(lambda: database.execute(SETTLES), what="something is settled")
        database.execute(OLD)
        with Witness(database, [endpoint], stream) as witness, load:
            for _ in range(kills):
                stream.start(failpoint=("truncating", 1)).wait_killed()
                assert database.execute(OLD_COUNT) == [(1_000,)]
            load.stop()
            with stream.start():
                wait_until(lambda: database.execute(OLD_COUNT) == [(0,)], what="it is truncated")
                load.join()
                wait_settled(database)
        wanted = {i for (i,) in database.execute(NEW_IDS)}
        verdict = witness.verdict(wanted)
    matrix.add(GROUP, f"SIGKILL in the middle of truncating, {times(kills)}", mode, verdict)
    assert verdict.events == load.written
    verdict.check(duplicates=kills * PER_KILL)


@pytest.mark.timeout(120)
def test_a_standby_killed_while_it_takes_over_is_followed_by_the_next_one(
    database: Database, matrix: Matrix
) -> None:
    mode = Mode()
    kills = matrix.scale(1, 5)
    load = Load(database, kills * MOST, per_second=PER_SECOND)
    with Endpoint() as endpoint:
        apply(database, trigger(NAME, "counter", endpoint.url))
        leader, standby = StreamProcess(database), StreamProcess(database)
        with Witness(database, [endpoint], leader, standby) as witness, load:
            for _ in range(kills):
                leader.start()
                standby.start(failpoint=("took-over", 1))
                wait_until(lambda: "stream.standby" in standby.log, what="the other stands by")
                leader.kill()
                standby.wait_killed()
            load.stop()
            with standby.start():
                load.join()
                wait_settled(database)
        verdict = witness.verdict()
    matrix.add(GROUP, f"SIGKILL in the middle of a take-over, {times(kills)}", mode, verdict)
    assert verdict.events == load.written
    verdict.check(duplicates=kills * PER_KILL)
