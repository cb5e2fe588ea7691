"""Logical replication writes the rows: events for the triggers that want them, and no others."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from psycopg2 import sql
from support.killing import PER_KILL
from support.load import Load
from support.modal import database_for
from support.scene import PATIENT, modes
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Mode, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Pool

GROUP = "Hostile and huge data"
COUNTER = "CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL, note text)"
OTHERS = (
    "CREATE TABLE unwanted (id int PRIMARY KEY, seq int NOT NULL);"
    "CREATE TABLE copied (id int PRIMARY KEY, seq int NOT NULL)"
)
COPIED = 100
_SYNCED = "SELECT 1 FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid \
 WHERE s.subname = %s HAVING bool_and(srsubstate = 'r')"


@contextmanager
def subscribed(publisher: Database, subscriber: Database) -> Iterator[str]:
    """A subscription to `counter` and `unwanted`; its name."""
    publisher.execute("CREATE PUBLICATION writers FOR TABLE counter, unwanted")
    publisher.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", publisher.slot)
    name = sql.Identifier(subscriber.name)
    subscribe = sql.SQL(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION writers"
        " WITH (create_slot = false, copy_data = false, slot_name = {})"
    )
    subscriber.execute(
        subscribe.format(name, sql.Literal(publisher.dsn), sql.Literal(publisher.slot))
    )
    try:
        yield subscriber.name
    finally:
        subscriber.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(name))
        subscriber.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(name))
        subscriber.execute(sql.SQL("DROP SUBSCRIPTION {}").format(name))


def applied(publisher: Database, timeout_s: float = 60) -> None:
    """Until the subscription has applied all that the publisher has committed."""
    [(target,)] = publisher.execute("SELECT pg_current_wal_insert_lsn()::text")
    wait_until(
        lambda: publisher.execute(
            "SELECT 1 FROM pg_replication_slots"
            " WHERE slot_name = %s AND confirmed_flush_lsn >= %s::pg_lsn",
            *(publisher.slot, target),
        ),
        timeout_s,
        "the subscription has applied all",
    )


def add_table_with_rows(publisher: Database, subscriber: Database) -> None:
    """`copied` joins the publication: its rows come by the subscription's first copy."""
    publisher.execute(f"INSERT INTO copied SELECT g, 0 FROM generate_series(1, {COPIED}) g")
    publisher.execute("ALTER PUBLICATION writers ADD TABLE copied")
    name = sql.Identifier(subscriber.name)
    subscriber.execute(sql.SQL("ALTER SUBSCRIPTION {} REFRESH PUBLICATION").format(name))
    wait_until(lambda: subscriber.execute(_SYNCED, subscriber.name), 60, "the copy is done")


@pytest.fixture
def database(server_pool: Pool, mode: Mode) -> Iterator[Database]:
    """The subscriber, on a server that has the mode's plugin."""
    with database_for(server_pool, mode) as fresh:
        yield fresh


@pytest.mark.timeout(300)
@modes
def test_rows_that_a_subscription_writes_are_events_for_the_triggers_that_want_them(
    server_pool: Pool, database: Database, matrix: Matrix, mode: Mode
) -> None:
    with ExitStack() as stack:
        publisher = stack.enter_context(database_for(server_pool, mode))
        load = Load(publisher, matrix.scale(400, 5_000), keys=20, per_second=300)
        publisher.execute(OTHERS)
        database.execute(f"{COUNTER}; {OTHERS}")
        stack.enter_context(subscribed(publisher, database))
        endpoint = stack.enter_context(Endpoint())
        specs = [
            trigger(
                *(table, table, endpoint.url),
                ordering=mode.ordering,
                trigger_on_replication=table != "unwanted",
                retry_conf=PATIENT,
            )
            for table in ("counter", "copied", "unwanted")
        ]
        apply(database, *specs, plugin=mode.plugin)
        stream = StreamProcess(database, "--plugin", mode.plugin)
        with Witness(database, [endpoint], stream) as witness, stream, load:
            publisher.execute("INSERT INTO unwanted VALUES (1, 1)")
            wait_until(lambda: len(endpoint.answered) > 60, what="replicated rows arrive")
            stream.kill()
            add_table_with_rows(publisher, database)
            stream.start()
            load.join()
            applied(publisher)
            database.execute("INSERT INTO unwanted VALUES (2, 1)")
            database.execute("UPDATE counter SET seq = seq + 1 WHERE id = 1")
            wait_settled(database, 90)
        verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, "a subscription is the writer, SIGKILL in its midst", mode, verdict)
    unwanted = {b["event"]["data"]["new"]["id"] for b in endpoint.bodies
                if b["trigger"]["name"] == "unwanted"}  # fmt: skip
    assert unwanted == {2}
    assert verdict.events == load.events + COPIED + 2
    verdict.check(duplicates=PER_KILL)
