"""What a recovery of a lost slot needs, says and leaves, where no load is needed to show it."""

from __future__ import annotations

from contextlib import closing, contextmanager
from time import sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.errors import FencedError, SlotLostError
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.recovery import PostgresRecovery
from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, note text)"


def drop_slot(database: Database) -> None:
    database.execute("SELECT pg_drop_replication_slot(%s)", database.slot)


def recoveries(database: Database) -> tuple[int, int]:
    [row] = database.execute("SELECT recoveries, recovered FROM cdc_triggers.stream")
    return row


def recorded(database: Database) -> int:
    [(count,)] = database.execute("SELECT count(*) FROM cdc_triggers.attempt")
    return int(count)


@pytest.mark.servers("18", "16", "system")
def test_a_role_with_just_the_documented_rights_recovers(database: Database) -> None:
    role = database.role("REPLICATION")
    database.execute(TABLE)
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role}")
    database.execute(f"GRANT TRIGGER ON orders TO {role}")
    dsn = database.dsn_as(role)
    with Endpoint() as endpoint:
        with closing(connect(dsn, application_name="test apply")) as connection:
            it = Installer(connection, slot=database.slot)
            it.apply(it.plan([trigger("all", "orders", endpoint.url)], {"all": "test:1"}))
        database.execute("INSERT INTO orders SELECT g, 'x' FROM generate_series(1, 100) g")
        drop_slot(database)
        with StreamProcess(database, dsn=dsn):
            wait_settled(database)
    assert len(endpoint.delivered) == 100
    assert recoveries(database) == (1, 100)
    database.execute(f"DROP OWNED BY {role} CASCADE")


def test_rows_of_every_size_are_recovered_byte_for_byte(database: Database) -> None:
    database.execute(TABLE)
    with Endpoint() as endpoint:
        apply(database, trigger("all", "orders", endpoint.url))
        database.execute(
            "INSERT INTO orders SELECT g, repeat(E'ä\\n\\t\\\\', (10 ^ mod(g, 6))::int)"
            " FROM generate_series(1, 60) g"
        )
        database.execute("UPDATE orders SET note = note || 'y' WHERE id % 7 = 0")
        drop_slot(database)
        with StreamProcess(database):
            wait_settled(database)
    sent = {b["id"]: b["event"]["data"] for b in endpoint.bodies}
    logged = database.execute("SELECT id::text, old, new FROM cdc_triggers.event_log")
    assert sent == {i: {"old": old, "new": new} for i, old, new in logged}


def test_what_no_trigger_wanted_or_another_delivered_is_not_recovered(database: Database) -> None:
    database.execute(TABLE)
    with Endpoint() as first, Endpoint() as second:
        wants: dict[str, Any] = {"definition": {"insert": {}}}
        apply(database, trigger("first", "orders", first.url, **wants))
        with StreamProcess(database):
            database.execute("INSERT INTO orders VALUES (1, 'x')")
            wait_settled(database)
        database.execute("INSERT INTO orders VALUES (2, 'x')")
        database.execute("UPDATE orders SET note = 'y'")
        apply(
            database,
            trigger("first", "orders", first.url, **wants),
            trigger("second", "orders", second.url, **wants),
        )
        database.execute("INSERT INTO orders VALUES (3, 'x')")
        drop_slot(database)
        with StreamProcess(database):
            wait_settled(database)
    assert sorted(b["event"]["data"]["new"]["id"] for b in first.bodies) == [1, 2, 3]
    assert [b["event"]["data"]["new"]["id"] for b in second.bodies] == [3]


def test_an_apply_that_makes_the_slot_anew_leaves_the_recovery_to_the_stream(
    database: Database,
) -> None:
    database.execute(TABLE)
    with Endpoint() as endpoint:
        spec = trigger("all", "orders", endpoint.url)
        apply(database, spec)
        assert not database.execute("SELECT FROM cdc_triggers.stream WHERE recovering")
        database.execute("INSERT INTO orders VALUES (1, 'x')")
        drop_slot(database)
        apply(database, spec)
        database.execute("INSERT INTO orders VALUES (2, 'x')")
        with StreamProcess(database) as stream:
            wait_settled(database)
            assert "apply made the slot anew" in stream.log
    assert sorted(b["event"]["data"]["new"]["id"] for b in endpoint.bodies) == [1, 2]
    assert recoveries(database) == (1, 2)


def test_a_recovery_waits_for_a_transaction_that_writes_and_stops_when_told_to(
    database: Database,
) -> None:
    database.execute(TABLE)
    other = database.connect()
    with Endpoint() as endpoint:
        apply(database, trigger("all", "orders", endpoint.url))
        database.execute("INSERT INTO orders VALUES (1, 'x')")
        drop_slot(database)
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO orders VALUES (2, 'x')")
            with StreamProcess(database).start(wait=False) as stream:
                wait_until(lambda: "slot.lost" in stream.log, what="it recovers")
                assert not stream.is_ready()
                assert stream.terminate() == 0
            cursor.execute("COMMIT")
        with StreamProcess(database):
            wait_settled(database)
    assert sorted(b["event"]["data"]["new"]["id"] for b in endpoint.bodies) == [1, 2]


def test_what_is_recorded_as_delivered_is_not_recovered_however_long_ago_that_was_settled(
    database: Database,
) -> None:
    database.execute(TABLE)
    with Endpoint() as endpoint:
        apply(database, trigger("all", "orders", endpoint.url))
        with StreamProcess(database) as stream:
            with database.connect().cursor() as cursor:
                for number in range(200):
                    cursor.execute("INSERT INTO orders VALUES (%s, 'x')", [number])
            wait_until(lambda: recorded(database) == 200, what="all is recorded")
            stream.kill()
        drop_slot(database)
        with StreamProcess(database):
            wait_settled(database)
    assert recoveries(database) == (1, 0)
    assert len(endpoint.bodies) == 200


@contextmanager
def recovering(database: Database) -> Iterator[tuple[PostgresStore, PostgresRecovery]]:
    """A stream that has begun to recover."""
    holder = str(uuid4())
    with (
        closing(PostgresStore(database.dsn, database.slot, holder)) as store,
        closing(PostgresRecovery(database.dsn, database.slot, holder)) as recovery,
    ):
        assert store.take_lease(10.0) is not None
        recovery.begin("a test")
        yield store, recovery


def test_a_slot_that_somebody_moves_while_its_events_are_recovered_is_lost_once_more(
    database: Database,
) -> None:
    database.execute(TABLE)
    apply(database, trigger("all", "orders", "http://127.0.0.1:9/"))
    with recovering(database) as (store, recovery):
        recovery.renew_slot("pgoutput")
        assert not recovery.read()
        database.execute("INSERT INTO orders VALUES (1, 'x')")
        database.execute(
            "SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", database.slot
        )
        recovery.finish()
        with pytest.raises(SlotLostError, match="somebody else has moved it"):
            store.check_slot("pgoutput")


def test_a_recovery_that_was_replaced_leaves_the_slot_of_its_successor_alone(
    database: Database,
) -> None:
    database.execute(TABLE)
    apply(database, trigger("all", "orders", "http://127.0.0.1:9/"))
    begins = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
    with recovering(database) as (_, recovery):
        database.execute("UPDATE cdc_triggers.stream SET holder = gen_random_uuid()")
        before = database.execute(begins, database.slot)
        with pytest.raises(FencedError):
            recovery.renew_slot("pgoutput")
        assert database.execute(begins, database.slot) == before


@pytest.mark.servers("18", "16")
def test_a_recovery_takes_as_long_as_it_takes_whatever_limits_the_database_sets(
    database: Database,
) -> None:
    database.execute(TABLE)
    apply(database, trigger("all", "orders", "http://127.0.0.1:9/"))
    database.execute("INSERT INTO orders VALUES (1, 'x')")
    limits = database.execute(
        "SELECT name FROM pg_settings WHERE name IN ('transaction_timeout',"
        " 'idle_session_timeout', 'idle_in_transaction_session_timeout')"
    )
    for (name,) in limits:
        database.execute(f"ALTER DATABASE {database.name} SET {name} = '300ms'")
    holder = str(uuid4())
    with closing(PostgresRecovery(database.dsn, database.slot, holder)) as recovery:
        database.execute("UPDATE cdc_triggers.stream SET holder = %s", holder)
        recovery.begin("a test")
        recovery.renew_slot("pgoutput")
        sleep(0.6)
        assert len(recovery.read()) == 1
        recovery.finish()
