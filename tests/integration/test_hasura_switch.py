"""Hasura's capture goes off in the moment in which ours is on: every change is in one log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support import hasura
from support.applying import ORDERS, installer, run
from support.specs import trigger
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.databases import Database

pytestmark = pytest.mark.servers("18", "16")

ENABLED = (
    "SELECT tgname::text FROM pg_trigger WHERE tgname ~ '^notify_hasura' AND tgenabled <> 'D' "
    "ORDER BY 1"
)


@pytest.fixture
def shop(database: Database) -> Database:
    database.execute(ORDERS)
    hasura.make_catalog(database)
    hasura.track(database, "b")
    return database


def test_only_hasuras_trigger_of_the_same_name_is_turned_off_and_then_nothing_is_left_to_do(
    shop: Database,
) -> None:
    hasura.track(shop, "other")
    it = installer(shop, shop.connect())
    plan = it.plan([trigger("b")], {}, replace_hasura=True)
    off = [s.sql for s in plan.statements if "DISABLE TRIGGER" in s.sql]
    assert off[0] == 'ALTER TABLE "public"."orders" DISABLE TRIGGER "notify_hasura_b_DELETE"'
    it.apply(plan)
    assert {name for (name,) in shop.execute(ENABLED)} == {
        f"notify_hasura_other_{op}" for op in ("INSERT", "UPDATE", "DELETE")
    }
    assert it.plan([trigger("b")], {}, replace_hasura=True).empty
    assert it.plan([trigger("b")], {}).notes == ()


def test_beside_hasuras_triggers_a_table_is_captured_by_statement(shop: Database) -> None:
    it = installer(shop, shop.connect())
    it.apply(it.plan([trigger("b")], {}))
    assert shop.execute("SELECT level FROM cdc_triggers.captured_table") == [("statement",)]
    shop.execute("ALTER TABLE orders DISABLE TRIGGER USER")
    shop.execute("ALTER TABLE orders ENABLE TRIGGER USER")
    assert it.plan([trigger("b")], {}).empty


def test_a_transaction_that_is_under_way_is_in_hasuras_log_and_not_in_ours(shop: Database) -> None:
    # the table is captured already, for another trigger: what it writes is in our log in any case
    it = installer(shop, shop.connect())
    it.apply(it.plan([trigger("a")], {}))
    writer = shop.connect()
    run(writer, "BEGIN")
    run(writer, "INSERT INTO orders VALUES (1)")
    both = [trigger("a"), trigger("b")]
    applier = installer(shop, shop.connect(), lock_timeout_ms=20_000)
    plan = applier.plan(both, {}, replace_hasura=True)
    thread = threading.Thread(target=applier.apply, args=(plan,), daemon=True)
    thread.start()
    wait_until(
        lambda: shop.execute("SELECT true FROM pg_locks WHERE NOT granted") == [(True,)],
        what="apply waits for the writer",
    )
    run(writer, "COMMIT")
    thread.join(30)
    assert not thread.is_alive()
    run(writer, "INSERT INTO orders VALUES (2)")
    owed = shop.execute(
        "SELECT t.name, (e.new ->> 'id')::int FROM cdc_triggers.event_log e "
        "JOIN cdc_triggers.trigger t USING (table_id) JOIN cdc_triggers.trigger_revision r "
        "ON r.trigger_id = t.id AND NOT pg_visible_in_snapshot(e.xid, r.applied_snapshot) "
        "ORDER BY 1, 2"
    )
    assert owed == [("a", 1), ("a", 2), ("b", 2)]
    assert shop.execute(
        "SELECT trigger_name, (payload #>> '{data,new,id}')::int FROM hdb_catalog.event_log"
    ) == [("b", 1)]


def test_a_partitioned_table_is_switched_with_its_partitions(database: Database) -> None:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY) PARTITION BY LIST (id)")
    database.execute("CREATE TABLE orders_1 PARTITION OF orders FOR VALUES IN (1)")
    hasura.make_catalog(database)
    hasura.track(database, "b")
    it = installer(database, database.connect())
    it.apply(it.plan([trigger("b")], {}, replace_hasura=True))
    database.execute("INSERT INTO orders VALUES (1)")
    assert hasura.log(database, ["id"]) == []
    assert database.execute("SELECT count(*) FROM cdc_triggers.event_log") == [(1,)]
