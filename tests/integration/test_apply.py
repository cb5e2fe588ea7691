"""Apply makes the database what the file says, once; uninstall leaves no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.applying import EVERYTHING, ORDERS, apply, installer, problems, run
from support.specs import trigger

from cdc_triggers.core.plan import Change
from cdc_triggers.errors import (
    DatabaseError,
    TriggerFileError,
)
from cdc_triggers.postgres.migrations import migrate, migrations, pending

if TYPE_CHECKING:
    from support.databases import Database


pytestmark = pytest.mark.servers("18", "16")


def test_apply_twice_changes_nothing_the_second_time(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    first = apply(database, it, trigger())
    before = run(it, EVERYTHING), run(it, "SELECT * FROM cdc_triggers.trigger")
    assert first.names(Change.ADDED) == ("t",)
    assert installer(database, it).plan([trigger()], {}).empty
    assert apply(database, it, trigger()).empty
    assert (run(it, EVERYTHING), run(it, "SELECT * FROM cdc_triggers.trigger")) == before


def test_a_session_whose_strings_have_escapes_is_as_good(database: Database) -> None:
    it = database.connect(options="-c standard_conforming_strings=off")
    run(it, ORDERS)
    apply(database, it, trigger())
    assert installer(database, it).plan([trigger()], {}).empty


def test_plan_writes_nothing(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    before = run(it, EVERYTHING)
    plan = installer(database, it).plan([trigger()], {})
    assert "CREATE PUBLICATION" in " ".join(s.sql for s in plan.statements)
    assert any("SHARE ROW EXCLUSIVE on public.orders" in s.lock for s in plan.statements)
    assert run(it, EVERYTHING) == before


def test_uninstall_leaves_the_database_as_it_was(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    run(it, "CREATE TABLE parts (id int) PARTITION BY LIST (id)")
    run(it, "CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1)")
    before = run(it, EVERYTHING)
    apply(database, it, trigger(), trigger("p", table="parts", trigger_on_replication=True))
    assert run(it, EVERYTHING) != before
    installer(database, it).uninstall()
    assert run(it, EVERYTHING) == before
    installer(database, it).uninstall()
    assert run(it, EVERYTHING) == before


def test_all_problems_are_found_in_one_run_and_nothing_is_changed(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS + "; CREATE VIEW seen AS SELECT * FROM orders; CREATE SCHEMA other")
    run(it, "CREATE TABLE other.bills (id int)")
    before = run(it, EVERYTHING)
    specs = (
        trigger("a", table="ordrs"),
        trigger("b", table="bills"),
        trigger("c", table="seen"),
        trigger("d", table="pg_catalog.pg_class"),
        trigger("e", definition={"update": {"columns": ["stats"], "payload": ["totl"]}}),
        trigger("f", ordering_key=["nothing_like_it"]),
    )
    found = problems(database, it, *specs)
    assert found == (
        "t.yaml:1: a: there is no table public.ordrs: did you mean public.orders?",
        "t.yaml:2: b: there is no table public.bills: did you mean other.bills?",
        "t.yaml:3: c: public.seen is a view: name the table under it",
        (
            "t.yaml:4: d: pg_catalog.pg_class is a system catalog, which can not have triggers: "
            "name a table of yours"
        ),
        "t.yaml:5: e: update.columns: public.orders has no column stats: did you mean status?",
        "t.yaml:5: e: update.payload: public.orders has no column totl: did you mean total?",
        (
            "t.yaml:6: f: ordering_key: public.orders has no column nothing_like_it: "
            "did you mean one of id, status, total?"
        ),
    )
    with pytest.raises(TriggerFileError):
        apply(database, it, *specs)
    assert run(it, EVERYTHING) == before


def test_a_table_without_a_key_is_applied_without_order_and_the_plan_says_so(
    database: Database,
) -> None:
    it = database.connect()
    run(it, "CREATE TABLE orders (id int)")
    plan = apply(database, it, trigger())
    assert "falls back to ordering: none" in plan.notes[0]
    assert run(it, "SELECT ordering_attnums FROM cdc_triggers.trigger") == [([],)]


def test_a_changed_trigger_keeps_its_id_and_pause_and_gets_a_revision(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    run(it, "UPDATE cdc_triggers.trigger SET paused = true")
    plan = apply(database, it, trigger(comment="new"))
    assert plan.names(Change.CHANGED) == ("t",)
    rows = run(
        it, "SELECT id, revision, paused, definition ->> 'comment' FROM cdc_triggers.trigger"
    )
    assert rows == [(1, 2, True, "new")]
    assert run(it, "SELECT count(*) FROM cdc_triggers.trigger_revision") == [(2,)]


def test_a_trigger_moved_to_another_table_is_a_new_one(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS + "; CREATE TABLE bills (id int PRIMARY KEY)")
    apply(database, it, trigger())
    plan = apply(database, it, trigger(table="bills"))
    assert [c.change for c in plan.changes] == [Change.REMOVED, Change.ADDED]
    assert run(it, "SELECT id, revision FROM cdc_triggers.trigger") == [(2, 1)]
    assert run(it, "SELECT relid::regclass::text FROM cdc_triggers.captured_table") == [("bills",)]
    triggers = run(
        it, "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    )
    assert triggers == [("bills",)]


def test_operations_no_trigger_needs_are_not_captured(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger(), trigger("u", definition={"update": {}}))
    apply(database, it, trigger("u", definition={"update": {}}))
    names = run(it, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
    assert names == [("00_cdc_triggers_update_1",), ("00_cdc_triggers_update_1_attached",)]


def test_a_renamed_table_and_column_stay_what_the_file_means(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    spec = trigger(definition={"update": {"columns": ["status"]}})
    apply(database, it, spec)
    run(it, "ALTER TABLE orders RENAME TO sales; ALTER TABLE sales RENAME status TO state")
    plan = installer(database, it).plan([spec], {})
    assert plan.problems == ()
    assert plan.empty
    assert plan.notes == (
        "t: column status is now called state",
        "t: table public.orders is now called public.sales",
    )


def test_a_table_that_was_dropped_and_made_again_is_captured_again(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    run(it, "DROP TABLE orders")
    run(it, ORDERS)
    apply(database, it, trigger())
    run(it, "INSERT INTO orders VALUES (1)")
    assert run(it, "SELECT count(*) FROM cdc_triggers.event_log") == [(1,)]
    assert run(it, "SELECT count(*) FROM cdc_triggers.captured_table") == [(1,)]
    run(it, "DROP TABLE orders")
    apply(database, it)
    assert run(it, "SELECT count(*) FROM cdc_triggers.captured_table") == [(0,)]


def test_a_capture_trigger_that_was_dropped_or_disabled_is_put_back(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    run(it, 'ALTER TABLE orders DISABLE TRIGGER "00_cdc_triggers_insert_1"')
    run(it, 'DROP TRIGGER "00_cdc_triggers_delete_1" ON orders')
    assert not installer(database, it).plan([trigger()], {}).empty
    apply(database, it, trigger())
    run(it, "INSERT INTO orders VALUES (1); DELETE FROM orders")
    assert run(it, "SELECT count(*) FROM cdc_triggers.event_log") == [(2,)]


def test_apply_tells_a_running_stream_to_reload(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it)
    apply(database, it, trigger())
    messages = run(
        it,
        "SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version',"
        " '1', 'publication_names', 'cdc_triggers', 'messages', 'true')"
        " WHERE get_byte(data, 0) = ascii('M')",
        database.slot,
    )
    assert messages == [(1,)]


def test_migrations_are_applied_once_and_a_newer_schema_is_refused(database: Database) -> None:
    it = database.connect()
    assert migrate(it) == migrations()
    assert (pending(it), migrate(it)) == ((), ())
    run(it, "INSERT INTO cdc_triggers.migration (number, name) VALUES (9999, 'pre_future')")
    with pytest.raises(DatabaseError, match="9999"):
        pending(it)


def test_every_table_and_function_of_ours_is_commented(database: Database) -> None:
    it = database.connect()
    apply(database, it)
    uncommented = run(
        it,
        "SELECT relname FROM pg_class WHERE relnamespace = 'cdc_triggers'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition AND obj_description(oid) IS NULL"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'cdc_triggers'::regnamespace"
        " AND obj_description(oid) IS NULL",
    )
    assert uncommented == []


def test_arguments_that_end_in_a_zero_are_no_difference(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it)
    run(it, "ALTER TABLE cdc_triggers.captured_table ALTER id RESTART WITH 10")
    specs = trigger("v10", trigger_on_replication=True), trigger("other")
    apply(database, it, *specs)
    assert installer(database, it).plan(specs, {}).tables == ()


def test_columns_that_an_index_only_includes_are_not_in_the_key(database: Database) -> None:
    it = database.connect()
    run(it, "CREATE TABLE orders (status text, id int, total numeric)")
    run(it, "ALTER TABLE orders ADD PRIMARY KEY (id) INCLUDE (status, total)")
    apply(database, it, trigger())
    assert run(it, "SELECT key_attnums FROM cdc_triggers.captured_table") == [([2],)]
    assert run(it, "SELECT ordering_attnums FROM cdc_triggers.trigger") == [([2],)]


@pytest.mark.parametrize("covers", ["ALL TABLES", "TABLE cdc_triggers.event_log"])
def test_the_users_publication_may_cover_the_logs(database: Database, covers: str) -> None:
    it = database.connect()
    run(it, ORDERS)
    apply(database, it, trigger())
    run(it, f"CREATE PUBLICATION everything FOR {covers}")
    plan = installer(database, it).plan([trigger()], {})
    assert plan.statements[0].sql == (
        f'ALTER TABLE "cdc_triggers"."{"attempt" if covers == "ALL TABLES" else "event_log"}_0"'
        " REPLICA IDENTITY FULL"
    )
    apply(database, it, trigger(), trigger("u"))
    assert installer(database, it).plan([trigger(), trigger("u")], {}).empty
    run(it, "INSERT INTO orders VALUES (1)")
    elsewhere = "99999999:99999999:"
    run(it, "UPDATE cdc_triggers.trigger_revision SET applied_snapshot = %s", elsewhere)
    run(it, "UPDATE cdc_triggers.event_log SET xid = '99999998'")
    apply(database, it, trigger())  # as if a dump had been restored
    assert run(it, "SELECT xid::text FROM cdc_triggers.event_log") == [("3",)]
    run(it, "DELETE FROM cdc_triggers.event_log")
