"""More than memory should hold: a huge transaction, and an endpoint too slow for what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.misbehaving import Refusing, faults
from support.modes import OTHER_MODES
from support.streaming import (
    Endpoint,
    StreamProcess,
    apply,
    held_bytes,
    trigger,
    wait_confirmed,
    wait_settled,
)
from support.waiting import wait_until
from support.witness import MEMORY_LIMIT, Mode, Witness

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix

GROUP = "Endpoints fail"
HANGING = next(fault for fault in faults() if fault.words == "never answers")
PARKED = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'parked'"

BEHIND = "SELECT id, xmin::text FROM cdc_triggers.delivery WHERE due_at IS NULL ORDER BY id"
"""Each row version has the transaction that wrote it."""


@pytest.mark.timeout(240)
def test_a_transaction_of_many_rows_is_delivered_from_its_start_in_bounded_memory(
    database: Database, matrix: Matrix
) -> None:
    rows = matrix.scale(15_000, 300_000)
    database.execute("CREATE TABLE bulk (id int PRIMARY KEY, text text)")
    with Endpoint() as endpoint:
        apply(database, trigger("bulk", "bulk", endpoint.url))
        database.execute(
            "INSERT INTO bulk SELECT g, repeat('x', 100) FROM generate_series(1, %s) g", rows
        )
        with StreamProcess(database) as stream:
            wait_until(lambda: len(endpoint.bodies) >= 5000, 120, "deliveries flow")
            assert stream.memory_peak() < MEMORY_LIMIT
            # nothing of an unfinished transaction may be confirmed
            assert held_bytes(database) > rows * 150
            assert stream.terminate() == 0
    [(parked,)] = database.execute(PARKED)
    assert parked <= max(5_000, rows // 4), "only what was read is written down"


@pytest.mark.timeout(120)
def test_the_backlog_of_a_dead_endpoint_is_not_written_again_when_its_heads_are_retried(
    database: Database, matrix: Matrix
) -> None:
    keys = 20
    load = Load(database, matrix.scale(20, 200) * keys, keys=keys)
    refusing = Refusing()
    conf = {"num_retries": 100_000, "interval_sec": 1, "jitter": False}
    apply(database, trigger("counted", "counter", refusing.url, retry_conf=conf))
    endpoints: list[Endpoint] = []
    with StreamProcess(database) as stream, Witness(database, endpoints, stream) as witness:
        with load:
            pass
        wait_until(lambda: database.execute(PARKED)[0][0] == load.events, 30, "all is parked")
        wait_until(lambda: min_tries(database) >= 2, 30, "heads were retried")
        before, tries = database.execute(BEHIND), min_tries(database)
        wait_until(lambda: min_tries(database) >= tries + 2, 30, "and again")
        assert database.execute(BEHIND) == before
        assert len(before) == load.events - keys
        with Endpoint(port=refusing.port) as mended:
            endpoints.append(mended)
            wait_settled(database)
    verdict = witness.verdict()
    matrix.add(GROUP, "refuses, with a backlog", Mode(), verdict)
    verdict.check()


@pytest.mark.whole
@pytest.mark.timeout(120)
def test_a_few_events_behind_hanging_requests_do_not_hold_the_wal(
    database: Database, matrix: Matrix
) -> None:
    """Fewer than memory may hold, more than may be in flight; requests end after a minute."""
    load = Load(database, 600, keys=300)
    conf = {"num_retries": 100_000, "interval_sec": 1}
    endpoints: list[Endpoint] = []
    with HANGING.serve() as hanging:
        apply(database, trigger("counted", "counter", hanging.url, retry_conf=conf))
        with StreamProcess(database) as stream, Witness(database, endpoints, stream) as witness:
            with load:
                pass
            wait_until(lambda: database.execute(PARKED)[0][0] == load.events, 20, "all is parked")
            wait_confirmed(database, 5)
            hanging.stop()
            with Endpoint(port=hanging.port) as mended:
                endpoints.append(mended)
                wait_settled(database)
    verdict = witness.verdict()
    matrix.add(GROUP, "never answers for a minute, a few events wait", Mode(), verdict)
    verdict.check()


def min_tries(database: Database) -> int:
    """Of the heads."""
    query = "SELECT min(tries) FROM cdc_triggers.delivery WHERE due_at IS NOT NULL"
    return database.execute(query)[0][0] or 0


def slow(database: Database, matrix: Matrix, mode: Mode, rounds: int) -> None:
    """An endpoint that takes a tenth of what comes, and then all of it."""
    keys = 500
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL)")
    database.execute("INSERT INTO counter SELECT g, 0 FROM generate_series(1, %s) g", keys)
    delay_s = 0.5
    with Endpoint(lambda *_: Reply(delay_s=delay_s)) as endpoint:
        spec = trigger(
            *("counted", "counter", endpoint.url), max_in_flight=8, ordering=mode.ordering
        )
        apply(database, spec, plugin=mode.plugin)
        stream = StreamProcess(database, "--plugin", mode.plugin)
        with stream, Witness(database, [endpoint], stream) as witness:
            for _ in range(rounds):
                database.execute("UPDATE counter SET seq = seq + 1")
            wait_until(lambda: database.execute(PARKED)[0][0] > 1000, 30, "it spills")
            wait_confirmed(database, 60)
            delay_s = 0.0
            wait_settled(database, 120)
    verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, "far too slow, then well", mode, verdict)
    verdict.check()
    assert verdict.events == keys * rounds


@pytest.mark.timeout(240)
def test_a_slow_endpoint_lets_the_slot_go_on_and_gets_everything_in_order(
    database: Database, matrix: Matrix
) -> None:
    slow(database, matrix, Mode(), matrix.scale(5, 20))


@pytest.mark.whole
@pytest.mark.servers("system")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", OTHER_MODES, ids=str)
@pytest.mark.usefixtures("wal2json")
def test_a_slow_endpoint_gets_everything_whatever_the_order_and_the_plugin(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    slow(database, matrix, mode, 8)
