"""The slot is lost: found, said, made anew, and what it still owed is sent from the event log."""

from __future__ import annotations

import json
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.killing import PER_KILL
from support.load import Load
from support.scene import Scene, modes, private
from support.waiting import wait_until
from support.witness import Mode

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.messages import Commit
from cdc_triggers.http.receiver import Reply
from cdc_triggers.postgres.replication import ReplicationSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Pool, Server

GROUP = "The slot is lost"


@pytest.fixture
def database_for(
    server_pool: Pool, make_server: Callable[..., Server]
) -> Iterator[Callable[..., Database]]:
    """A database whose server has the mode's plugin; with `alone` nobody else uses that server."""
    made: list[Database] = []

    def make(mode: Mode, *, alone: bool = False) -> Database:
        made.append(private(make_server if alone else server_pool.get, mode))
        return made[-1]

    yield make
    for each in made:
        each.drop()


def drop(database: Database, mode: Mode) -> None:
    query = "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active"
    wait_until(lambda: not database.execute(query, database.slot), what="its reader is gone")
    database.execute("SELECT pg_drop_replication_slot(%s)", database.slot)


def make_anew(database: Database, mode: Mode) -> None:
    drop(database, mode)
    database.execute(
        "SELECT pg_create_logical_replication_slot(%s, %s)", database.slot, mode.plugin
    )


def read_by_another(database: Database, mode: Mode) -> None:
    """Read all that there is: the first part may be what is recorded already, which is no loss."""
    options = {
        "pgoutput": ["proto_version", "1", "publication_names", "cdc_triggers"],
        "wal2json": [],
    }[mode.plugin]
    function = "binary_changes" if mode.plugin == "pgoutput" else "changes"
    database.execute(
        f"SELECT count(*) FROM pg_logical_slot_get_{function}(%s, NULL, NULL, VARIADIC %s::text[])",
        *(database.slot, options),
    )


def advance(database: Database, mode: Mode) -> None:
    database.execute(
        "SELECT pg_replication_slot_advance(%s, pg_current_wal_insert_lsn())", database.slot
    )


def invalidate(database: Database, mode: Mode) -> None:
    database.server.configure(max_slot_wal_keep_size="1MB")

    def lost() -> bool:
        database.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))")
        database.execute("SELECT pg_switch_wal()")
        database.execute("CHECKPOINT")
        query = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"
        return database.execute(query, database.slot) == [("lost",)]

    wait_until(lost, 60, "PostgreSQL has given the slot up")
    database.server.configure(max_slot_wal_keep_size="-1")


INVALIDATED = "invalidated by max_slot_wal_keep_size"
FAULTS = {
    "dropped": drop,
    "dropped and made anew by hand": make_anew,
    "read by another consumer": read_by_another,
    "advanced by hand": advance,
    INVALIDATED: invalidate,
}


def recover(scene: Scene) -> None:
    """Start the stream and see that it says what it does."""
    scene.stream.start(wait=False)
    wait_until(lambda: "slot.recovered" in scene.stream.log, 60, "it recovers")
    assert "slot.lost" in scene.stream.log


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "fault",
    [
        "dropped",
        "read by another consumer",
        INVALIDATED,
        pytest.param("dropped and made anew by hand", marks=pytest.mark.whole),
        pytest.param("advanced by hand", marks=pytest.mark.whole),
    ],
)
@modes
def test_a_slot_that_is_lost_loses_no_event(
    database_for: Callable[..., Database], matrix: Matrix, mode: Mode, fault: str
) -> None:
    database = database_for(mode, alone=fault == INVALIDATED)
    load = Load(database, matrix.scale(3_000, 6_000), per_second=1_500)
    with Scene(database, mode, load) as scene, load:
        scene.arrive(500)
        scene.stream.kill()
        before = load.rounds_done
        wait_until(lambda: load.rounds_done > before + 5, what="events that only the slot owes")
        FAULTS[fault](database, mode)
        recover(scene)
        scene.settle()
    matrix.add(GROUP, fault, mode, verdict := scene.verdict())
    verdict.check(duplicates=PER_KILL)
    [(recoveries, recovered, recovering)] = database.execute(
        "SELECT recoveries, recovered, recovering FROM cdc_triggers.stream"
    )
    assert (recoveries, recovering) == (1, False)
    assert recovered >= 5 * load.keys


@pytest.mark.timeout(300)
@modes
def test_what_was_parked_before_the_slot_was_lost_stays_first_of_its_key(
    database_for: Callable[..., Database], matrix: Matrix, mode: Mode
) -> None:
    database = database_for(mode)
    load = Load(database, matrix.scale(2_000, 4_000), per_second=1_500)
    failing = True

    def decide(body: dict[str, Any], _tries: int) -> Reply:
        odd = body["event"]["data"]["new"]["id"] % 2
        return Reply(status=503 if failing and odd else 200)

    with Scene(database, mode, load, decide=decide) as scene, load:
        # with total order the first that fails holds up all others
        scene.arrive(20 if mode.ordering == "total" else 200)
        scene.stream.kill()
        drop(database, mode)
        recover(scene)
        failing = False
        scene.settle()
    matrix.add(GROUP, "dropped while half of the keys are parked", mode, verdict := scene.verdict())
    verdict.check(duplicates=PER_KILL)


@pytest.mark.timeout(300)
@modes
def test_a_recovery_that_is_killed_begins_anew_and_doubles_nothing(
    database_for: Callable[..., Database], matrix: Matrix, mode: Mode
) -> None:
    database = database_for(mode)
    load = Load(database, matrix.scale(10_000, 20_000))
    with Scene(database, mode, load) as scene:
        load.start()
        scene.arrive(200)
        scene.stream.kill()
        drop(database, mode)
        load.join()
        for _ in range(3):
            parked = recovered(database)
            scene.stream.start(wait=False)
            wait_until(lambda: recovered(database) > parked, 60, "some more is parked")  # noqa: B023
            scene.stream.kill()
        scene.stream.start()
        scene.settle()
    matrix.add(GROUP, "dropped, and the recovery killed", mode, verdict := scene.verdict())
    verdict.check(duplicates=4 * PER_KILL)


def recovered(database: Database) -> int:
    [(count,)] = database.execute("SELECT recovered FROM cdc_triggers.stream")
    return int(count)


@pytest.mark.timeout(120)
def test_a_slot_lost_while_it_streams_is_recovered_and_readyz_counts_it(
    database_for: Callable[..., Database], matrix: Matrix
) -> None:
    mode = Mode()
    database = database_for(mode)
    load = Load(database, 3_000, per_second=1_000)
    with Scene(database, mode, load) as scene, load:
        scene.arrive(500)
        wait_until(lambda: seized(database), 30, "the walsender is ended and the slot dropped")
        wait_until(lambda: "slot.recovered" in scene.stream.log, 60, "it recovers")
        scene.settle()
        with urllib.request.urlopen(scene.stream.readyz, timeout=5) as answer:
            said = json.loads(answer.read())
    matrix.add(GROUP, "dropped under a running stream", mode, verdict := scene.verdict())
    verdict.check(duplicates=PER_KILL)
    assert said["recoveries"] == 1
    assert said["recovered"] == recovered(database)


def read_past(other: ReplicationSource, database: Database, lsn: str) -> bool:
    """Confirm what can be read now; True once the slot itself is past `lsn`.

    A closed socket with unread bytes takes a confirmation that is still under way with it, so only
    what the slot says counts.
    """
    ends = [m.end_lsn for m in other.read(1_000) if isinstance(m, Commit)]
    if ends:
        other.confirm(max(ends), max(ends))
    [(past,)] = database.execute(
        "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
        lsn,
        database.slot,
    )
    return bool(past)


def seized(database: Database) -> bool:
    """End the walsender and drop the slot before the stream is back; False if it was faster."""
    query = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s AND active"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(query, [database.slot])
        for (pid,) in cursor.fetchall():
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        cursor.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_name = %s AND NOT active",
            [database.slot],
        )
        return bool(cursor.rowcount)


@pytest.mark.timeout(120)
def test_a_slot_held_by_another_consumer_is_named_waited_for_and_recovered_from(
    database_for: Callable[..., Database], matrix: Matrix
) -> None:
    mode = Mode()
    database = database_for(mode)
    load = Load(database, 3_000, per_second=1_000)
    with Scene(database, mode, load) as scene, load:
        scene.arrive(500)
        scene.stream.kill()
        with closing(ReplicationSource(database.dsn)) as other:
            other.start(database.slot, mode.plugin, lsns.ZERO)
            scene.stream.start(wait=False)
            wait_until(lambda: "slot.busy" in scene.stream.log, 30, "it says who has the slot")
            [(pid,)] = database.execute(
                "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", database.slot
            )
            assert f"active for PID {pid}" in scene.stream.log
            [(lsn,)] = database.execute("SELECT pg_current_wal_lsn()::text")
            wait_until(lambda: read_past(other, database, lsn), 30, "the other one takes events")
        wait_until(lambda: "slot.recovered" in scene.stream.log, 60, "it recovers")
        scene.settle()
    matrix.add(GROUP, "held and read by another consumer", mode, verdict := scene.verdict())
    verdict.check(duplicates=PER_KILL)
