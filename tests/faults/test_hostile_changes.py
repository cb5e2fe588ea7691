"""Triggers and tables change under load: nothing that was owed is lost, no key out of order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.busy import Busy, Spec
from support.killing import PER_KILL
from support.modal import database_for
from support.scene import modes
from support.streaming import Endpoint
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Pool
    from support.witness import Mode

GROUP = "Hostile and huge data"
ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)"
WATCHED = Spec("watched", "orders")
BEYOND_LOAD = 1_000_000
"""Sequence numbers that the load takes for none of its own rounds."""
NARROW = {"update": {"payload": ["id", "seq"]}}


@pytest.fixture
def database(server_pool: Pool, mode: Mode) -> Iterator[Database]:
    """On a server that has the mode's plugin."""
    with database_for(server_pool, mode) as fresh:
        yield fresh


def gaps(endpoint: Endpoint, name: str) -> int:
    """Sequence numbers that are missing between the first and the last of a row, for a trigger."""
    seen: dict[int, set[int]] = {}
    for body in endpoint.bodies:
        if body["trigger"]["name"] == name:
            new = body["event"]["data"]["new"]
            seen.setdefault(new["id"], set()).add(new["seq"])
    return sum(max(seqs) - min(seqs) + 1 - len(seqs) for seqs in seen.values())


def wait_parked(it: Busy, name: str) -> None:
    query = (
        "SELECT 1 FROM cdc_triggers.delivery d JOIN cdc_triggers.trigger t ON t.id = d.trigger_id"
        " WHERE t.name = %s AND d.status = 'parked' LIMIT 1"
    )
    wait_until(lambda: it.database.execute(query, name), what=f"{name} parks")


@pytest.mark.timeout(240)
@modes
def test_a_trigger_added_paused_changed_resumed_and_dropped_misses_nothing_in_between(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    with Endpoint() as beside:

        def more(count: int = 60) -> None:
            enough = len(beside.answered) + count
            wait_until(lambda: len(beside.answered) >= enough, 60, "the other trigger delivers")

        load = {"events": 100_000, "per_second": 200}  # more than there is time for: it is stopped
        with Busy(database, mode, **load) as it:  # type: ignore[arg-type]
            it.arrive()
            second = it.trigger("second", "counter", webhook=beside.url)
            it.apply(second)
            more()
            with it.administration() as admin:
                admin.set_paused("second", paused=True)
            wait_parked(it, "second")
            it.apply(it.trigger("second", "counter", webhook=beside.url, definition=NARROW))
            it.bounce()
            with it.administration() as admin:
                admin.set_paused("second", paused=False)
            more()
            it.apply()
            it.arrive()
            it.apply(it.trigger("third", "counter", webhook=beside.url))
            more()
            it.load.stop()
            it.settle()
    assert gaps(beside, "second") == gaps(beside, "third") == 0
    if mode.ordering != "none":
        assert not beside.inversions
    fault = "a trigger added, paused, changed, resumed and dropped, SIGKILL while it is paused"
    it.judge(matrix, GROUP, fault, others=0, duplicates=PER_KILL)


@pytest.mark.timeout(240)
@modes
def test_columns_come_and_go_and_are_renamed_and_the_table_too(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    rounds = matrix.scale(4, 30)
    statements = (
        "ALTER TABLE counter ADD COLUMN extra int DEFAULT 7",
        "ALTER TABLE counter RENAME COLUMN note TO remark",
        "ALTER TABLE counter RENAME COLUMN extra TO note",
        "ALTER TABLE counter DROP COLUMN remark",
        "ALTER TABLE counter ALTER COLUMN note TYPE text",
    )
    events = rounds * 100
    with Busy(database, mode, WATCHED, tables=ORDERS, events=events) as it:
        wait_until(lambda: it.load.rounds_done, what="the load's rows are there")
        it.run("INSERT INTO orders VALUES (0)")
        for turn in range(rounds):
            it.run(*statements)
            names = (f"orders_{turn}", "orders")
            for name, other in (names[::-1], names):
                it.run(f"ALTER TABLE {name} RENAME TO {other}")
                it.run(f"UPDATE {other} SET n = n + 1")
            it.arrive(20)
        it.settle()
    found = [new["n"] for _, _, new in it.changes("watched")]
    assert (sorted(found) if mode.ordering == "none" else found) == list(range(2 * rounds + 1))
    it.judge(
        *(matrix, GROUP, "columns added, renamed, retyped, dropped; the table renamed"),
        others=2 * rounds + 1,
    )


@pytest.mark.timeout(240)
@modes
def test_what_was_committed_before_its_table_was_dropped_is_delivered(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    rows = matrix.scale(50, 2_000)
    with Busy(database, mode, WATCHED, tables=ORDERS) as it:
        it.arrive()
        it.stream.kill()
        it.run(f"INSERT INTO orders SELECT g FROM generate_series(1, {rows}) g")
        it.run("DROP TABLE orders")
        it.stream.start()
        # what a trigger that goes owes then is archived: apply removes it with its old table
        wait_until(lambda: len(it.changes("watched")) == rows, 60, "all of the table arrives")
        it.run(ORDERS, "INSERT INTO orders VALUES (1)")
        it.apply()
        it.run("INSERT INTO orders VALUES (2)")
        it.settle()
    found = sorted(new["id"] for _, _, new in it.changes("watched"))
    assert found == sorted([*range(1, rows + 1), 2])
    it.judge(matrix, GROUP, "a table dropped and made again", others=rows + 1, duplicates=PER_KILL)


@pytest.mark.timeout(240)
@modes
def test_a_captured_table_attached_as_a_partition_and_detached_is_captured_all_the_time(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    root = (
        "CREATE TABLE root (id int NOT NULL, seq int NOT NULL, note text) PARTITION BY RANGE (id)"
    )
    attach = "ALTER TABLE root ATTACH PARTITION counter FOR VALUES FROM (0) TO (100000)"
    rounds = matrix.scale(3, 20)
    with Busy(database, mode, tables=root, events=rounds * 200) as it:
        wait_until(lambda: it.load.rounds_done, what="the load's rows are there")
        for turn in range(1, rounds + 1):
            where = f"WHERE id = {1_000 + turn}"
            it.run(attach, f"INSERT INTO root VALUES ({1_000 + turn}, {BEYOND_LOAD})")
            it.run(f"UPDATE root SET seq = seq + 1 {where}")
            it.run(f"UPDATE counter SET seq = seq + 1 {where}")
            if turn == 2:
                it.apply()  # now it is captured as the partition that it is
                it.run(f"UPDATE root SET seq = seq + 1 {where}")
            it.run("ALTER TABLE root DETACH PARTITION counter")
            it.run(f"UPDATE counter SET seq = seq + 1 {where}")
            it.arrive(20)
        it.settle()
    tables = {body["table"]["name"] for body in it.endpoint.bodies}
    assert tables == {"counter"}
    fault = "the table attached as a partition and detached"
    it.judge(matrix, GROUP, fault, others=4 * rounds + 1, two_writers=True)


@pytest.mark.timeout(240)
@modes
def test_partitions_made_attached_and_detached_under_load_are_events_of_the_partitioned_table(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    parts = matrix.scale(4, 40)
    tables = "CREATE TABLE orders (id int PRIMARY KEY, seq int) PARTITION BY RANGE (id)"
    with Busy(database, mode, WATCHED, tables=tables, events=parts * 60) as it:
        for part in range(parts):
            bounds = f"FOR VALUES FROM ({part * 10}) TO ({part * 10 + 10})"
            name, row = f"orders_{part}", part * 10
            if part % 2:
                it.run(f"CREATE TABLE {name} PARTITION OF orders {bounds}")
            else:
                it.run(f"CREATE TABLE {name} (id int PRIMARY KEY, seq int)")
                it.run(f"ALTER TABLE orders ATTACH PARTITION {name} {bounds}")
            it.run(f"INSERT INTO orders VALUES ({row}, 1)", f"UPDATE {name} SET seq = 2")
            it.run(f"ALTER TABLE orders DETACH PARTITION {name}", f"UPDATE {name} SET seq = 3")
            it.arrive(20)
        it.settle()
    names: set[Any] = {
        body["table"]["name"] for body in it.endpoint.bodies if body["trigger"]["name"] == "watched"
    }
    assert names == {"orders"}
    fault = "partitions made, attached and detached"
    it.judge(matrix, GROUP, fault, others=2 * parts)
