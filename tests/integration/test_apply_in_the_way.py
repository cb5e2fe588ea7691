"""Apply beside locks, missing rights, writers and other appliers: all or nothing, no event lost."""

from __future__ import annotations

import signal
import threading
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import psycopg2.extras
import pytest
from psycopg2 import sql
from support.applying import EVERYTHING, ORDERS, apply, installer, problems, run
from support.specs import trigger
from support.waiting import wait_until

from cdc_triggers.errors import (
    CdcTriggersError,
    DatabaseError,
    SlotBusyError,
    SlotError,
)
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from support.databases import Database


pytestmark = pytest.mark.servers("18", "16")


def test_a_role_that_is_no_superuser_can_apply_capture_change_and_uninstall(
    database: Database,
) -> None:
    role, name = database.role("REPLICATION"), sql.Identifier
    admin = database.connect()
    run(admin, ORDERS + "; CREATE TABLE parts (id int) PARTITION BY LIST (id)")
    run(admin, "CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1)")
    grant = "GRANT CREATE ON DATABASE {} TO {}; GRANT TRIGGER ON orders, parts, part1 TO {}"
    run(admin, sql.SQL(grant).format(name(database.name), name(role), name(role)))
    before = run(admin, EVERYTHING)
    it = database.connect(role)
    parts = trigger("p", table="parts")
    apply(database, it, trigger(), parts)
    run(admin, "INSERT INTO orders VALUES (1); INSERT INTO parts VALUES (1)")
    assert run(it, "SELECT count(*) FROM cdc_triggers.event_log") == [(2,)]
    apply(database, it)  # it owns neither table, and yet its capture triggers go
    assert not [row for row in run(admin, EVERYTHING) if row[0] == "trigger"]
    assert run(it, "SELECT count(*) FROM cdc_triggers.captured_table") == [(0,)]
    apply(database, it, trigger(), parts)
    installer(database, it).uninstall()
    assert run(admin, EVERYTHING) == before
    revoke = "REVOKE ALL ON DATABASE {} FROM {}; REVOKE ALL ON orders, parts, part1 FROM {}"
    run(admin, sql.SQL(revoke).format(name(database.name), name(role), name(role)))


def test_missing_rights_are_named_with_the_grant(database: Database) -> None:
    role = database.role("REPLICATION")
    admin = database.connect()
    run(admin, ORDERS)
    found = problems(database, database.connect(role), trigger(trigger_on_replication=True))
    assert len(found) == 2
    assert f"GRANT TRIGGER ON public.orders TO {role}" in found[0]
    assert "trigger_on_replication needs the owner" in found[1]


def test_a_grant_that_is_named_can_be_run_as_it_is(database: Database) -> None:
    role = database.role("REPLICATION")
    admin = database.connect()
    run(admin, 'CREATE SCHEMA "Größe"; CREATE TABLE "Größe"."Bestellung ""Ä""" (id int)')
    spec = trigger(table={"schema": "Größe", "name": 'Bestellung "Ä"'})
    found = problems(database, database.connect(role), spec)
    assert len(found) == 2
    for each in found:
        run(admin, each[each.index("GRANT ") :])
    assert not problems(database, database.connect(role), spec)
    run(admin, f"DROP OWNED BY {role}")


def test_a_schema_that_may_not_be_used_is_named_with_the_grant(database: Database) -> None:
    role = database.role("REPLICATION")
    admin = database.connect()
    run(admin, "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY)")
    run(admin, f"GRANT TRIGGER ON shop.orders TO {role}")
    spec = trigger(table="shop.orders")
    (found,) = problems(database, database.connect(role), spec)
    assert f"GRANT USAGE ON SCHEMA shop TO {role}" in found
    run(admin, f"GRANT USAGE ON SCHEMA shop TO {role}")
    assert not problems(database, database.connect(role), spec)
    run(admin, f"DROP OWNED BY {role}")


def test_a_locked_table_makes_apply_give_up_with_all_as_before(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS + "; CREATE TABLE bills (id int)")
    apply(database, it, trigger())
    before = run(it, EVERYTHING), run(it, "SELECT name FROM cdc_triggers.trigger")
    other = database.connect()
    run(other, "BEGIN")
    run(other, "LOCK TABLE bills IN ROW EXCLUSIVE MODE")
    with pytest.raises(DatabaseError, match="in the way"):
        apply(database, it, trigger("b", table="bills"))
    assert (run(it, EVERYTHING), run(it, "SELECT name FROM cdc_triggers.trigger")) == before
    run(other, "ROLLBACK")


def test_a_lock_that_goes_away_makes_apply_succeed_at_a_later_try(database: Database) -> None:
    it, other = database.connect(), database.connect()
    run(it, ORDERS)
    apply(database, it)
    run(other, "BEGIN")
    run(other, "LOCK TABLE orders IN ROW EXCLUSIVE MODE")
    pauses: list[float] = []

    def release(seconds: float) -> None:
        pauses.append(seconds)
        run(other, "ROLLBACK")

    patient = Installer(it, slot=database.slot, lock_timeout_ms=100, pause=release)
    patient.apply(patient.plan([trigger()], {}))
    assert len(pauses) == 1
    assert run(it, "SELECT name FROM cdc_triggers.trigger") == [("t",)]


def test_a_first_apply_that_cannot_make_its_slot_leaves_nothing_behind(database: Database) -> None:
    it, other = database.connect(), database.connect()
    run(it, ORDERS)
    before = run(it, EVERYTHING)
    run(other, "BEGIN")
    run(other, "SELECT pg_current_xact_id()")
    with pytest.raises(DatabaseError, match=r"in the way.*open for"):
        apply(database, it, trigger())
    run(other, "ROLLBACK")
    assert run(it, EVERYTHING) == before


def test_a_prepared_transaction_that_is_in_the_way_is_named(database: Database) -> None:
    it, other, gid = database.connect(), database.connect(), f"{database.name}'s"
    run(it, ORDERS)
    run(other, "BEGIN")
    run(other, "SELECT pg_current_xact_id()")
    run(other, "PREPARE TRANSACTION %s", gid)
    with pytest.raises(DatabaseError, match=f"prepared transaction '{gid[:-2]}''s' .*, open for"):
        apply(database, it, trigger())
    run(other, "ROLLBACK PREPARED %s", gid)


def test_a_table_that_is_swapped_while_apply_waits_for_it_is_captured_as_the_one_it_is(
    database: Database,
) -> None:
    it, other, watcher = database.connect(), database.connect(), database.connect()
    run(it, ORDERS)
    apply(database, it)
    run(other, "BEGIN")
    run(other, "ALTER TABLE orders RENAME TO old_orders")
    run(other, "CREATE TABLE orders (status text, id int PRIMARY KEY)")
    waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"

    def commit() -> None:
        wait_until(lambda: run(watcher, waits, it.info.backend_pid) == [(True,)], what="it waits")
        run(other, "COMMIT")

    committing = threading.Thread(target=commit)
    committing.start()
    patient = installer(database, it, lock_timeout_ms=10_000)
    patient.apply(patient.plan([trigger()], {}))
    committing.join()
    captured = "SELECT relid::text FROM cdc_triggers.captured_table"
    assert run(it, captured) == [("orders",)]
    fired = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    assert run(it, fired) == [("orders",)]
    assert patient.plan([trigger()], {}).empty


def test_an_interrupt_while_the_slot_is_made_leaves_nothing_behind(database: Database) -> None:
    it, other = database.connect(), database.connect()
    run(it, ORDERS)
    before = run(it, EVERYTHING)
    run(other, "BEGIN")
    run(other, "SELECT pg_current_xact_id()")
    waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"

    def interrupt() -> None:
        watcher, pid = database.connect(), it.info.backend_pid
        wait_until(lambda: run(watcher, waits, pid) == [(True,)], what="apply waits for its slot")
        signal.raise_signal(signal.SIGINT)
        run(other, "ROLLBACK")

    # a shell starts what runs in the background with SIGINT ignored
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            Installer(it, slot=database.slot).apply(installer(database, it).plan([trigger()], {}))
    finally:
        thread.join()
        signal.signal(signal.SIGINT, usual)
    assert run(it, EVERYTHING) == before


def test_a_failed_apply_keeps_a_slot_that_an_earlier_one_has_made(database: Database) -> None:
    it, other = database.connect(), database.connect()
    run(it, ORDERS)
    one = installer(database, it)
    one.apply(one.plan([], {}))
    run(other, "BEGIN")
    run(other, "LOCK TABLE orders IN ROW EXCLUSIVE MODE")
    with pytest.raises(DatabaseError, match="in the way"):
        one.apply(one.plan([trigger()], {}))
    run(other, "ROLLBACK")
    assert installer(database, it).plan([], {}).empty


def test_a_slot_of_another_plugin_is_refused_before_anything_is_changed(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    run(it, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.slot)
    before = run(it, EVERYTHING)
    other = installer(database, it, plugin="wal2json")
    with pytest.raises(SlotError, match="uses pgoutput, not wal2json"):
        other.apply(other.plan([trigger()], {}))
    assert run(it, EVERYTHING) == before


def test_no_right_to_replicate_is_said_with_the_remedy_and_leaves_nothing(
    database: Database,
) -> None:
    role = database.role()
    admin = database.connect()
    grant = "GRANT CREATE ON DATABASE {} TO {}"
    run(admin, sql.SQL(grant).format(sql.Identifier(database.name), sql.Identifier(role)))
    before = run(admin, EVERYTHING)
    with pytest.raises(CdcTriggersError) as caught:
        apply(database, database.connect(role))
    assert "REPLICATION" in caught.value.hint
    assert run(admin, EVERYTHING) == before
    run(
        admin,
        sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(
            sql.Identifier(database.name), sql.Identifier(role)
        ),
    )


def test_uninstall_refuses_while_a_stream_leads_that_does_not_read_the_slot_just_now(
    database: Database,
) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    with closing(PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))) as store:
        assert store.take_lease(10.0) is not None
        before = run(it, EVERYTHING)
        with pytest.raises(SlotBusyError, match="in use by pid"):
            installer(database, it).uninstall()
        assert run(it, EVERYTHING) == before


def test_uninstall_refuses_while_a_stream_reads_the_slot(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    before = run(it, EVERYTHING)
    stream = psycopg2.connect(
        database.dsn, connection_factory=psycopg2.extras.LogicalReplicationConnection
    )
    with stream.cursor() as cursor:
        options = {"proto_version": "1", "publication_names": "cdc_triggers"}
        cursor.start_replication(database.slot, decode=False, options=options)
    with pytest.raises(SlotBusyError):
        installer(database, it).uninstall()
    assert run(it, EVERYTHING) == before
    stream.close()


def test_every_event_committed_after_apply_is_in_the_slot_under_load(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    stop, started = threading.Event(), threading.Event()

    def write() -> None:
        writer = database.connect()
        number = 0
        while not stop.is_set():
            number += 1
            run(writer, "INSERT INTO orders VALUES (%s)", number)
            started.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        started.wait(10)
        patient = Installer(it, slot=database.slot)
        patient.apply(patient.plan([trigger()], {}))
        captured = "SELECT count(*) > 50 FROM cdc_triggers.event_log"
        wait_until(lambda: run(it, captured) == [(True,)], what="events are captured")
    finally:
        stop.set()
        thread.join()
    ((logged, last),) = run(
        it, "SELECT count(*), max((new ->> 'id')::int) FROM cdc_triggers.event_log"
    )
    ((total,),) = run(it, "SELECT count(*) FROM orders")
    assert last == total
    assert run(it, "SELECT min((new ->> 'id')::int) FROM cdc_triggers.event_log") == [
        (total - logged + 1,)
    ]
    ((sent,),) = run(
        it,
        "SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version',"
        " '1', 'publication_names', 'cdc_triggers') WHERE get_byte(data, 0) = ascii('I')",
        database.slot,
    )
    assert sent == logged


TWO = "CREATE TABLE a (id int); CREATE TABLE b (id int)"
PARTED = "CREATE TABLE a (id int) PARTITION BY LIST (id); CREATE TABLE b PARTITION OF a DEFAULT"


@pytest.mark.parametrize(
    ("tables", "names", "ends"),
    [(TWO, "ab", False), (TWO, "ab", True), (PARTED, "a", False)],
    ids=["apply", "uninstall", "apply-partitioned"],
)
def test_no_transaction_of_the_users_is_ended_for_a_deadlock(
    database: Database, tables: str, names: str, *, ends: bool
) -> None:
    it, other = database.connect(), database.connect()
    run(it, tables)
    specs = tuple(trigger(name, table=name) for name in names)
    apply(database, it, *(specs if ends else ()))
    one = Installer(it, slot=database.slot)
    plan = one.plan(specs, {})
    run(other, "BEGIN")
    run(other, "LOCK TABLE a IN ACCESS SHARE MODE" if ends else "INSERT INTO b VALUES (1)")
    writes = "b" if ends else "a"
    failures: list[BaseException] = []

    def work() -> None:
        try:
            one.uninstall() if ends else one.apply(plan)
        except BaseException as error:  # noqa: BLE001 - reported by the assertion
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    held = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND granted AND relation = %s::regclass"
        " AND mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock'))"
    )
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"
    # who waits for longer than deadlock_timeout has looked for a deadlock, and seen none
    rested = (
        "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
        " AND (waitstart IS NULL OR clock_timestamp() - waitstart < interval '1.1 s'))"
    )
    watcher, pid = database.connect(), it.info.backend_pid
    try:
        wait_until(lambda: run(watcher, waits, pid) == [(True,)], what="a table is waited for")
        assert run(watcher, held, pid, writes) == [(True,)]
        wait_until(
            lambda: run(watcher, rested, pid) == [(True,)], what="it gives up, or has looked"
        )
        run(other, f"INSERT INTO {writes} VALUES (1)")
        run(other, "COMMIT")
    finally:
        thread.join()
    assert failures == []


def test_two_appliers_at_once_both_succeed(database: Database) -> None:
    run(database.connect(), ORDERS)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            it = Installer(database.connect(), slot=database.slot)
            it.apply(it.plan([trigger()], {}))
        except BaseException as error:  # noqa: BLE001 - reported by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert database.execute("SELECT count(*) FROM cdc_triggers.trigger_revision") == [(1,)]
