"""A crash of PostgreSQL takes the slot back; the stream goes on where its own row says."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_confirmed
from support.waiting import wait_until

from cdc_triggers.core import lsn as lsns
from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from support.databases import Database

    from cdc_triggers.core.records import StartState

SAVED = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
ELSEWHERE = """
UPDATE cdc_triggers.stream
   SET settled_lsn = pg_current_wal_insert_lsn(), system_identifier = system_identifier + 1"""
SETTLED = "SELECT settled_lsn::text FROM cdc_triggers.stream WHERE slot_name = %s"


def begins(database: Database) -> StartState:
    with closing(PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))) as store:
        wait_until(lambda: store.take_lease(10.0), what="the lease is free")
        return store.load_start("pgoutput")


@pytest.mark.timeout(120)
def test_what_was_settled_before_a_crash_is_neither_read_nor_remembered_again(
    own_database: Database,
) -> None:
    database = own_database
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    with Endpoint() as endpoint:
        apply(database, trigger("ordered", "orders", endpoint.url))
        with StreamProcess(database) as stream:
            # while it is open PostgreSQL has no reason to save the slot
            with closing(database.connect()) as other, other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT pg_current_xact_id()")
                for key in range(100):
                    database.execute("INSERT INTO orders VALUES (%s)", key)
                wait_confirmed(database)
                stream.kill()
                database.server.restart("immediate")
            [(saved,)] = database.execute(SAVED, database.slot)
            [(settled,)] = database.execute(SETTLED, database.slot)
            assert lsns.parse(saved) < lsns.parse(settled), "else this proves nothing"
            start = begins(database)
            assert start.begins == lsns.parse(settled)
            assert not len(start.done)
            stream.start()
            database.execute("INSERT INTO orders VALUES (100)")
            wait_confirmed(database)
        assert {body["event"]["data"]["new"]["id"] for body in endpoint.bodies} == {*range(101)}
        assert set(endpoint.ids.values()) == {1}


def test_what_another_cluster_had_settled_says_nothing_here(database: Database) -> None:
    """A dump that is restored over a database with a slot brings the other one's row."""
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    with Endpoint() as endpoint:
        apply(database, trigger("ordered", "orders", endpoint.url))
        with StreamProcess(database):
            wait_confirmed(database)
        database.execute("INSERT INTO orders VALUES (1)")
        database.execute(ELSEWHERE)
        [(saved,)] = database.execute(SAVED, database.slot)
        assert begins(database).begins == lsns.parse(saved)
        with StreamProcess(database):
            wait_confirmed(database)
    assert len(endpoint.bodies) == 1
