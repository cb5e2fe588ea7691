"""Apply remembers each slot that it makes; doctor tells of idle ones, uninstall drops them all."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from support.applying import EVERYTHING, apply, run
from support.databases import Database
from support.pg_proxy import PgProxy
from support.specs import trigger

from cdc_triggers.core.finding import Finding, Level
from cdc_triggers.errors import DatabaseError, SlotBusyError, SlotError
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect, translate
from cdc_triggers.postgres.doctor import Wanted, examine
from cdc_triggers.postgres.store import PostgresStore

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"


def installer(connection: Any, slot: str) -> Installer:
    return Installer(connection, slot=slot, pause=lambda _: None, lock_timeout_ms=50)


def others(database: Database, slot: str, role: str | None = None) -> list[Finding]:
    dsn = database.dsn if role is None else database.dsn_as(role)
    return [f for f in examine(dsn, Wanted(slot=slot)) if f.what == "other slot"]


@pytest.mark.servers("18", "16")
def test_uninstall_drops_every_slot_that_apply_has_made(database: Database) -> None:
    database.execute(ORDERS)
    before = database.execute(EVERYTHING)
    it = database.connect()
    for slot in (database.slot, f"{database.slot}_2"):
        one = installer(it, slot)
        assert one.apply(one.plan([trigger()], {})).slot_created
    installer(it, "another").uninstall()
    assert database.execute(EVERYTHING) == before


def test_a_stream_that_takes_over_between_two_tries_of_uninstall_keeps_all_it_needs(
    database: Database,
) -> None:
    it, reader = database.connect(), database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    before = run(it, EVERYTHING)
    run(reader, "BEGIN; SELECT FROM orders")  # uninstall waits for it
    with closing(PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))) as standby:

        def pause(_: float) -> None:
            assert standby.take_lease(10.0) is not None
            run(reader, "COMMIT")

        one = Installer(it, slot=database.slot, lock_timeout_ms=200, pause=pause)
        with pytest.raises(SlotBusyError, match="in use by pid"):
            one.uninstall()
        assert set(before) <= set(run(it, EVERYTHING))  # it has a temporary table of its own
        standby.check_slot("pgoutput")


def test_a_stream_that_starts_while_uninstall_works_does_not_end_it(database: Database) -> None:
    it, other = database.connect(), database.connect()
    run(it, ORDERS)
    before = run(it, EVERYTHING)
    apply(database, it, trigger())
    with closing(PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))) as leader:
        assert leader.take_lease(10.0) is not None
    run(other, "UPDATE cdc_triggers.stream SET heartbeat_at = heartbeat_at - interval '1 hour'")
    one = Installer(it, slot=database.slot)
    remove = one._remove

    def meanwhile(cursor: Any) -> None:
        with closing(PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))) as stream:
            assert stream.take_lease(10.0) is None
        remove(cursor)

    with patch.object(one, "_remove", meanwhile):
        one.uninstall()
    assert run(it, EVERYTHING) == before


class Renaming(PgProxy):
    """Shows a database under another name of the same length, as a pooler may."""

    def _pump(self, source: Any, sink: Any) -> None:
        startup = source.recv(65536)
        sink.sendall(startup.replace(b"\0alias", b"\0" + self._database.name[:5].encode()))
        super()._pump(source, sink)


def test_a_pooler_may_call_the_database_by_another_name(database: Database) -> None:
    database.execute(ORDERS)
    before = database.execute(EVERYTHING)
    with Renaming(database) as proxy:
        dsn = proxy.dsn.replace(f"/{database.name[:5]}", "/alias")
        dsn += f"{'&' if '?' in dsn else '?'}sslmode=disable&gssencmode=disable"
        with closing(connect(dsn, application_name="test")) as it:
            assert it.info.dbname != database.name
            one = installer(it, database.slot)
            one.apply(one.plan([trigger()], {}))
            assert one.apply(one.plan([trigger("t"), trigger("u")], {})).plan.changes
            one.uninstall()
    assert database.execute(EVERYTHING) == before


def test_a_slot_that_was_not_made_after_all_is_not_remembered(database: Database) -> None:
    database.execute(ORDERS)
    it, writer = database.connect(), database.connect().cursor()
    apply(database, it, trigger())
    writer.execute("BEGIN")
    writer.execute("INSERT INTO orders VALUES (1)")
    second = installer(it, f"{database.slot}_2")
    with pytest.raises(DatabaseError, match="in the way"):
        second.apply(second.plan([trigger()], {}))
    writer.execute("ROLLBACK")
    recorded = "SELECT slot_name FROM cdc_triggers.stream ORDER BY 1"
    assert database.execute(recorded) == [(database.slot,)]
    second.apply(second.plan([trigger()], {}))
    assert database.execute(recorded) == [(database.slot,), (f"{database.slot}_2",)]


def test_a_slot_of_another_database_is_neither_passed_over_nor_shown(database: Database) -> None:
    it = database.connect()
    database.execute(ORDERS)
    apply(database, it, trigger())
    theirs = f"{database.slot}_theirs"
    elsewhere = Database(database.server, "postgres")
    elsewhere.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", theirs)
    try:
        other = Installer(it, slot=theirs)
        with pytest.raises(SlotError, match="belongs to database postgres"):
            other.plan([trigger()], {})
        assert PostgresAdmin(it).status(theirs).slot is None
    finally:
        elsewhere.execute("SELECT pg_drop_replication_slot(%s)", theirs)


def test_doctor_warns_of_another_slot_of_ours_that_nobody_reads(database: Database) -> None:
    it, second = database.connect(), f"{database.slot}_2"
    for slot in (database.slot, second):
        one = installer(it, slot)
        one.apply(one.plan([], {}))
    foreign = f"{database.slot}_theirs"
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", foreign)
    (finding,) = others(database, database.slot)
    assert finding.level is Level.WARNING
    assert f"{second} is ours, and nobody reads it: " in finding.detail
    assert "of WAL held" in finding.detail
    assert f"pg_drop_replication_slot('{second}')" in finding.fix
    assert others(database, database.slot, database.role()) == []
    database.execute("SELECT pg_drop_replication_slot(%s)", second)
    assert others(database, database.slot) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM cdc_triggers.trigger",
        "CREATE TABLE cdc_triggers.t ()",
        "SELECT cdc_triggers.invoke('t', '1'::json)",
    ],
)
def test_before_the_first_apply_the_remedy_is_to_apply(database: Database, statement: str) -> None:
    with pytest.raises(psycopg2.Error) as caught:
        database.execute(statement)
    assert "run `cdc-triggers apply`" in translate(caught.value).hint
