"""A storm of restarts, and the upgrade of a database that an older version has left in mid-work."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support import oldest
from support.killing import PER_KILL, times
from support.load import Load
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Mode, Witness

from cdc_triggers.postgres.migrations import migrations

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Server

GROUP = "Restarts and upgrades"
SEED = 20_250_103
PER_SECOND = 500
MINUTE_S = 60.0
LONGEST_S = 3.0
"""No start of the storm lives longer; the shortest die before they have connected."""


def let_live(stream: StreamProcess, seconds: float) -> None:
    """Run for so long; one that ends by itself fails the test."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = stream.wait(seconds)
        pytest.fail(f"the stream ended with {code}:\n{stream.log}")


def storm(database: Database, matrix: Matrix, mode: Mode) -> None:
    starts = matrix.scale(5, 20)
    chance = random.Random(f"{SEED} {mode}")
    load = Load(database, 100_000, per_second=PER_SECOND)
    with Endpoint() as endpoint:
        spec = trigger("counted", "counter", endpoint.url, ordering=mode.ordering)
        apply(database, spec, plugin=mode.plugin)
        stream = StreamProcess(database, "--plugin", mode.plugin)
        with Witness(database, [endpoint], stream) as witness, load:
            began = time.monotonic()
            for _ in range(starts):
                stream.start(wait=False)
                let_live(stream, chance.uniform(0, LONGEST_S))
                stream.kill()
            took = time.monotonic() - began
            load.stop()
            with stream.start():
                load.join()
                wait_settled(database)
        verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, f"Started and killed {times(starts)} in a minute", mode, verdict)
    assert took < MINUTE_S
    assert verdict.events == load.written
    verdict.check(duplicates=starts * PER_KILL)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "ordering",
    [
        "key",
        pytest.param("none", marks=pytest.mark.whole),
        pytest.param("total", marks=pytest.mark.whole),
    ],
)
def test_twenty_starts_and_kills_in_a_minute_lose_nothing(
    database: Database, matrix: Matrix, ordering: str
) -> None:
    storm(database, matrix, Mode(ordering))


@pytest.mark.whole
@pytest.mark.timeout(240)
@pytest.mark.servers("system")
@pytest.mark.parametrize("ordering", ["key", "none", "total"])
def test_twenty_starts_and_kills_in_a_minute_lose_nothing_with_wal2json(
    wal2json: Server, database: Database, matrix: Matrix, ordering: str
) -> None:
    storm(database, matrix, Mode(ordering, "wal2json"))


STATES = """
SELECT new ->> 'id', new ->> 'seq', status, trigger_id FROM cdc_triggers.delivery ORDER BY 1, 2"""


def upgrade(database: Database, matrix: Matrix, mode: Mode) -> None:
    oldest.install(database, mode.plugin)
    oldest.fill(database)
    everything: dict[str, object] = {"insert": {}, "update": {}}
    spec = trigger("counted", "counter", "{{RECEIVER_URL}}", definition=everything)
    with Endpoint() as endpoint:
        environ = {"RECEIVER_URL": endpoint.url}
        stream = StreamProcess(database, "--plugin", mode.plugin, environ=environ)
        with Witness(database, [endpoint], stream) as witness:
            apply(database, spec, plugin=mode.plugin)
            owed = {oldest.event(database, row, 1) for row in (oldest.PARKED, oldest.CLAIMED)}
            owed |= {
                oldest.event(database, row, 2)
                for row in range(oldest.DELIVERED + 1, oldest.FRESH + 1)
            }
            with stream:
                database.execute("UPDATE counter SET seq = seq + 1")
                owed |= {
                    oldest.event(database, row, 3)
                    for row in range(oldest.DELIVERED, oldest.FRESH + 1)
                }
                wait_until(lambda: endpoint.delivered >= owed, what="what is owed arrives")
                assert stream.terminate() == 0
        verdict = witness.verdict(owed)
    matrix.add(GROUP, "Upgrade from the oldest schema, events in every state", mode, verdict)
    assert endpoint.delivered == owed
    verdict.check()
    assert database.execute(STATES) == [
        (str(oldest.DEAD), "1", "dead", 1),
        (str(oldest.ARCHIVED), "1", "parked", 99),
    ]
    applied = [n for (n,) in database.execute("SELECT number FROM cdc_triggers.migration")]
    assert sorted(applied) == [each.number for each in migrations()]


def test_an_upgrade_from_the_oldest_schema_brings_every_event_to_where_it_belongs(
    database: Database, matrix: Matrix
) -> None:
    upgrade(database, matrix, Mode())


@pytest.mark.whole
@pytest.mark.servers("16")
def test_an_upgrade_on_an_older_postgresql_does_the_same(
    database: Database, matrix: Matrix
) -> None:
    upgrade(database, matrix, Mode())


@pytest.mark.whole
@pytest.mark.servers("system")
def test_an_upgrade_with_wal2json_does_the_same(
    wal2json: Server, database: Database, matrix: Matrix
) -> None:
    upgrade(database, matrix, Mode(plugin="wal2json"))
