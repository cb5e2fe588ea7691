"""Transactions of unusual kinds under load: each event once it is committed, none of the rest."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import psycopg2
import pytest
from support.busy import Busy, Spec
from support.killing import PER_KILL
from support.modal import database_for
from support.scene import modes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Pool
    from support.witness import Mode

GROUP = "Hostile and huge data"
ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)"
WATCHED = Spec("watched", "orders")

FAMILY = """
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, parent int
    REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION add_order() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO orders VALUES (NEW.id + 100, NEW.id); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON parents DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.id > 9) EXECUTE FUNCTION add_order()"""


@pytest.fixture
def database(server_pool: Pool, mode: Mode) -> Iterator[Database]:
    """On a server that has the mode's plugin."""
    with database_for(server_pool, mode) as fresh:
        yield fresh


@pytest.mark.timeout(240)
@modes
def test_a_prepared_transaction_is_delivered_when_it_is_committed_also_across_a_kill(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    kept, dropped = f"{database.name}_kept", f"{database.name}_dropped"
    with Busy(database, mode, WATCHED, tables=ORDERS, events=matrix.scale(600, 3_000)) as it:
        for row, gid in enumerate((kept, dropped)):
            it.run("BEGIN", f"INSERT INTO orders VALUES ({row})", f"PREPARE TRANSACTION '{gid}'")
        it.arrive()
        it.bounce()
        it.arrive()
        assert it.changes("watched") == []
        it.run(f"COMMIT PREPARED '{kept}'", f"ROLLBACK PREPARED '{dropped}'")
        it.run("UPDATE orders SET n = 1 WHERE id = 0")
        it.settle()
    inserted = {"id": 0, "n": 0}
    expected = [("INSERT", None, inserted), ("UPDATE", inserted, {"id": 0, "n": 1})]
    it.came("watched", expected)
    fault = "prepared transactions open across a SIGKILL"
    it.judge(matrix, GROUP, fault, others=2, duplicates=PER_KILL)


@pytest.mark.timeout(240)
@modes
def test_cascades_deferred_constraints_copy_and_savepoints_are_one_event_a_row_that_committed(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    copied = matrix.scale(500, 5_000)
    with Busy(database, mode, WATCHED, tables=FAMILY, events=matrix.scale(300, 3_000)) as it:
        it.run("INSERT INTO parents VALUES (1), (2)")
        it.run("BEGIN", "INSERT INTO orders VALUES (1, 3)", "INSERT INTO parents VALUES (3)")
        it.run("COMMIT", "BEGIN", "INSERT INTO orders VALUES (2, 999)")
        with pytest.raises(psycopg2.errors.ForeignKeyViolation):
            it.run("COMMIT")
        it.run("BEGIN", "INSERT INTO orders VALUES (3, 1)", "SAVEPOINT s")
        it.run("UPDATE orders SET parent = 2", "ROLLBACK TO s", "COMMIT")
        it.run("INSERT INTO parents VALUES (10)")
        it.run("UPDATE parents SET id = 4 WHERE id = 1", "DELETE FROM parents WHERE id = 4")
        rows = "".join(f"{1_000 + n}\t2\n" for n in range(copied))
        with database.connect().cursor() as cursor:
            cursor.copy_expert("COPY orders FROM STDIN", io.StringIO(rows))
        it.settle()
    expected = [
        ("INSERT", None, {"id": 1, "parent": 3}),
        ("INSERT", None, {"id": 3, "parent": 1}),
        ("INSERT", None, {"id": 110, "parent": 10}),
        ("UPDATE", {"id": 3, "parent": 1}, {"id": 3, "parent": 4}),
        ("DELETE", {"id": 3, "parent": 4}, None),
        *(("INSERT", None, {"id": 1_000 + n, "parent": 2}) for n in range(copied)),
    ]
    it.came("watched", expected)
    it.judge(matrix, GROUP, "cascades, deferred constraints, COPY, savepoints", others=5 + copied)


@pytest.mark.timeout(240)
@modes
def test_in_the_role_of_a_replica_only_triggers_that_want_it_are_called(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    wants = Spec("wants", "orders", {"trigger_on_replication": True})
    other = Spec("alone", "bills", {"trigger_on_replication": True})
    tables = f"{ORDERS}; CREATE TABLE bills (id int PRIMARY KEY, n int)"
    statements = ("INSERT INTO orders VALUES (1), (2)", "UPDATE orders SET n = 1 WHERE id = 1")
    with Busy(database, mode, WATCHED, wants, other, tables=tables, events=200) as it:
        it.run("SET session_replication_role = replica", *statements)
        it.run("INSERT INTO bills VALUES (1, 1)", "UPDATE bills SET n = 2")
        it.run("SET session_replication_role = origin", "DELETE FROM orders WHERE id = 1")
        it.settle()
    deleted = ("DELETE", {"id": 1, "n": 1}, None)
    assert it.changes("watched") == [deleted]
    assert sorted(op for op, _, _ in it.changes("wants")) == [
        "DELETE",
        "INSERT",
        "INSERT",
        "UPDATE",
    ]
    alone = [op for op, _, _ in it.changes("alone")]
    assert (sorted(alone) if mode.ordering == "none" else alone) == ["INSERT", "UPDATE"]
    it.judge(matrix, GROUP, "session_replication_role = replica", others=6)
