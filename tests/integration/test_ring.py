"""Retention truncates what is too old, never what is young, and never waits long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support import streaming
from support.streaming import Endpoint

from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.ring import truncate_oldest

if TYPE_CHECKING:
    from support.databases import Database

pytestmark = pytest.mark.servers("18", "16")


def run(connection: Any, statement: str, *args: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, args or None)
        return [] if cursor.description is None else cursor.fetchall()


def apply(database: Database, connection: Any) -> None:
    it = Installer(connection, slot=database.slot)
    it.apply(it.plan([], {}))


OLD_EVENT = """
INSERT INTO cdc_triggers.event_log
    (bucket, seq, id, table_id, xid, created_at, op, schema_name, table_name)
SELECT cdc_triggers.event_bucket(at), 1, gen_random_uuid(), 1, '1', at, 'INSERT', 'public', 'orders'
  FROM (SELECT clock_timestamp() - %s::interval AS at) moment"""

AGES = """
SELECT (extract(epoch FROM now() - created_at) / 86400)::int
  FROM cdc_triggers.event_log ORDER BY 1"""


def test_only_a_bucket_in_which_everything_is_older_than_retention_is_truncated(
    database: Database,
) -> None:
    it = database.connect()
    apply(database, it)
    for days in (0, 1, 2, 5, 5.9, 7):
        run(it, OLD_EVENT, f"{days} days")
    truncated = truncate_oldest(it, 100)
    assert len(truncated) == 1
    assert run(it, AGES) == [(days,) for days in (0, 1, 2, 5, 6)]
    assert truncate_oldest(it, 100) == ()


def test_a_bucket_with_one_young_row_is_kept_and_the_current_one_always(database: Database) -> None:
    it = database.connect()
    apply(database, it)
    for days in (7, 15, 8, 9):  # 8 and 9 days ago: the places of today and of yesterday
        run(it, OLD_EVENT, f"{days} days")
    young = "UPDATE cdc_triggers.event_log SET created_at = now() WHERE created_at > now() - %s"
    run(it, young, timedelta(days=7.5))
    assert truncate_oldest(it, 100) == ()


def test_a_bucket_with_an_event_that_the_stream_has_not_settled_is_kept(database: Database) -> None:
    it = database.connect()
    apply(database, it)
    run(it, OLD_EVENT, "7 days")
    run(it, "UPDATE cdc_triggers.stream SET holder = gen_random_uuid(), settled_snapshot = '1:1:'")
    assert truncate_oldest(it, 100) == ()
    run(it, "UPDATE cdc_triggers.stream SET settled_snapshot = '2:2:'")
    assert len(truncate_oldest(it, 100)) == 1


def test_a_stream_that_is_gone_with_its_slot_keeps_no_bucket(database: Database) -> None:
    it = database.connect()
    apply(database, it)
    run(it, OLD_EVENT, "7 days")
    crashed = (
        "UPDATE cdc_triggers.stream SET holder = gen_random_uuid(), settled_snapshot = '1:1:', "
        "heartbeat_at = clock_timestamp() - %s::interval"
    )
    run(it, crashed, "7 days")
    assert truncate_oldest(it, 100) == (), "its slot is there"
    run(it, "SELECT pg_drop_replication_slot(%s)", database.slot)
    run(it, crashed, "5 days")
    assert truncate_oldest(it, 100) == (), "it may come back, and need the log"
    run(it, crashed, "7 days")
    assert len(truncate_oldest(it, 100)) == 1


def test_a_bucket_is_kept_while_nothing_is_known_to_be_settled(database: Database) -> None:
    it = database.connect()
    apply(database, it)
    run(it, OLD_EVENT, "7 days")
    run(it, "UPDATE cdc_triggers.stream SET holder = gen_random_uuid(), generation = 1")
    assert run(it, "SELECT settled_snapshot FROM cdc_triggers.stream") == [(None,)]
    assert truncate_oldest(it, 100) == ()


def test_a_bucket_in_use_is_left_for_later_and_holds_nobody_up(database: Database) -> None:
    it, other = database.connect(), database.connect()
    apply(database, it)
    run(it, OLD_EVENT, "7 days")
    run(other, "BEGIN")
    run(other, "SELECT count(*) FROM cdc_triggers.event_log")
    assert truncate_oldest(it, 50) == ()
    run(other, "ROLLBACK")
    assert len(truncate_oldest(it, 50)) == 1


def test_a_bucket_that_is_locked_for_long_holds_up_no_stream(database: Database) -> None:
    it, other = database.connect(), database.connect()
    run(it, "CREATE TABLE orders (id int PRIMARY KEY)")
    with Endpoint() as endpoint:
        streaming.apply(database, streaming.trigger("all", "orders", endpoint.url))
        ((bucket,),) = run(it, "SELECT (cdc_triggers.event_bucket(now()) + 3) % 8")
        run(other, "BEGIN")
        run(other, f"LOCK TABLE cdc_triggers.event_log_{bucket} IN ACCESS EXCLUSIVE MODE")
        with streaming.StreamProcess(database) as stream:
            run(it, "INSERT INTO orders VALUES (1)")
            streaming.wait_settled(database, 8)
            assert "lease" not in stream.log
    assert len(endpoint.delivered) == 1
