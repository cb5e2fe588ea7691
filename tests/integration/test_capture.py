"""Whatever a writer does, its statement succeeds, and every row change is in the log, once."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2 import sql
from support.capturing import capture, changes, events, level, run
from support.specs import trigger

from cdc_triggers.postgres.capture import Installer

if TYPE_CHECKING:
    from support.databases import Database


pytestmark = pytest.mark.servers("18", "16")


def test_every_row_of_a_statement_is_one_event_in_order(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int PRIMARY KEY, n int)")
    run(it, "INSERT INTO orders VALUES (1, 10), (2, 20)")
    run(it, "UPDATE orders SET n = n + 1 WHERE id = 2")
    run(it, "DELETE FROM orders WHERE id = 1")
    assert changes(it) == [
        ("INSERT", None, {"id": 1, "n": 10}),
        ("INSERT", None, {"id": 2, "n": 20}),
        ("UPDATE", {"id": 2, "n": 20}, {"id": 2, "n": 21}),
        ("DELETE", {"id": 1, "n": 10}, None),
    ]
    found = events(it)
    assert {(e.schema, e.table) for e in found} == {("public", "orders")}
    assert {uuid.UUID(e.id).version for e in found} == {7}
    assert [e.id for e in found] == sorted({e.id for e in found})


def test_an_event_id_has_the_time_of_its_statement_and_is_like_no_other(
    database: Database,
) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    run(it, "INSERT INTO orders SELECT generate_series(1, 1000)")
    run(
        it,
        "DO $$BEGIN FOR i IN 1..200 LOOP UPDATE orders SET id = -i WHERE id = i; END LOOP; END$$",
    )
    run(it, "DELETE FROM orders")
    found = run(
        it,
        "SELECT id::text, (extract(epoch FROM created_at) * 1000000)::bigint "
        "FROM cdc_triggers.event_log ORDER BY seq",
    )
    ids = [uuid.UUID(event_id) for event_id, _ in found]
    assert len(ids) == len(set(ids)) == 2200
    assert ids == sorted(ids)
    assert {(each.variant, each.version) for each in ids} == {(uuid.RFC_4122, 7)}
    for each, (_, at_us) in zip(ids, found, strict=True):
        fraction = (each.int >> 64) & 0xFFF
        assert abs((each.int >> 80) * 1000 + fraction * 1000 / 4096 - at_us) < 1


@pytest.mark.parametrize("at", ["1955-11-05", "1999-12-31 23:59:59.9999999", "2300-01-01"])
def test_a_clock_that_is_wrong_makes_event_ids_all_the_same(database: Database, at: str) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    ((made, bucket),) = run(
        it,
        "SELECT cdc_triggers.event_id(cdc_triggers.event_id_time(epoch), 7)::text, "
        "cdc_triggers.event_bucket_at(epoch) = cdc_triggers.event_bucket(%s::timestamptz) "
        "FROM date_part('epoch', %s::timestamptz) epoch",
        at,
        at,
    )
    assert uuid.UUID(made).version == 7
    assert bucket


def test_two_installations_have_no_event_id_in_common(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    made = "SELECT cdc_triggers.event_id(cdc_triggers.event_id_time(1e9), 1)::text"
    first, again = run(it, made), run(it, made)
    Installer(it, slot=database.slot).uninstall()
    capture(database, trigger(), tables="DROP TABLE orders; CREATE TABLE orders (id int)")
    assert first == again != run(it, made)


def test_old_and_new_are_paired_rightly_when_a_statement_shifts_the_keys(
    database: Database,
) -> None:
    table = "CREATE TABLE orders (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, name text)"
    it = capture(database, trigger(), tables=table)
    run(it, "INSERT INTO orders SELECT i, 'n' || i FROM generate_series(1, 2000) i")
    run(it, "UPDATE orders SET id = id + 1")
    pairs = [(e.old, e.new) for e in events(it) if e.op == "UPDATE"]
    assert len(pairs) == 2000
    assert all(old["name"] == new["name"] and old["id"] + 1 == new["id"] for old, new in pairs)


def test_a_table_without_a_key_and_with_equal_rows_is_captured(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (p point, j json)")
    assert level(it) == "statement"
    run(it, "INSERT INTO orders SELECT '(1,2)', '{\"a\":1}' FROM generate_series(1, 3)")
    run(it, "UPDATE orders SET j = '{\"a\":2}'")
    run(it, "DELETE FROM orders")
    assert [e.op for e in events(it)] == ["INSERT"] * 3 + ["UPDATE"] * 3 + ["DELETE"] * 3


@pytest.mark.parametrize("rows", [1, 3])
def test_an_update_that_changes_nothing_is_no_event(database: Database, rows: int) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int, x point, j json)")
    run(it, "INSERT INTO orders SELECT i, '(1,2)', '{}' FROM generate_series(1, %s) i", rows)
    run(it, "UPDATE orders SET id = id, j = j")
    run(it, "UPDATE orders SET id = 100 WHERE id = 1")
    assert [e.op for e in events(it)] == ["INSERT"] * rows + ["UPDATE"]


def test_a_plan_made_for_few_rows_still_pairs_many(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int, n int)")
    run(it, "INSERT INTO orders SELECT i, 0 FROM generate_series(1, 50000) i")
    for _ in range(7):  # past the five custom plans, the cached plan stays
        run(it, "UPDATE orders SET n = n + 1 WHERE id <= 2")
    run(it, "SET statement_timeout = '30s'")
    run(it, "UPDATE orders SET n = n + 1")
    ((count,),) = run(it, "SELECT count(*) FROM cdc_triggers.event_log WHERE op = 'UPDATE'")
    assert count == 7 * 2 + 50000


def test_copy_and_upsert_are_captured(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int PRIMARY KEY, n int)")
    run(it, "COPY orders FROM PROGRAM 'printf \"1\\t1\\n2\\t2\\n\"'")
    run(
        it,
        "INSERT INTO orders VALUES (2, 5), (3, 3) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
    )
    run(it, "INSERT INTO orders VALUES (3, 9) ON CONFLICT DO NOTHING")
    found = changes(it)
    assert found[:2] == [("INSERT", None, {"id": i, "n": i}) for i in (1, 2)]
    upsert = found[2:]
    assert len(upsert) == 2
    assert ("UPDATE", {"id": 2, "n": 2}, {"id": 2, "n": 5}) in upsert
    assert ("INSERT", None, {"id": 3, "n": 3}) in upsert


@pytest.mark.since(15)
def test_merge_is_captured(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int PRIMARY KEY, n int)")
    run(it, "INSERT INTO orders VALUES (1, 1), (2, 5)")
    run(
        it,
        "MERGE INTO orders o USING (VALUES (1, 7), (2, 0), (4, 4)) s (id, n) ON o.id = s.id "
        "WHEN MATCHED AND s.n = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.n "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)",
    )
    found = changes(it)
    assert sorted(op for op, _, _ in found[2:]) == ["DELETE", "INSERT", "UPDATE"]
    assert ("UPDATE", {"id": 1, "n": 1}, {"id": 1, "n": 7}) in found


def test_cascades_fire_on_the_child(database: Database) -> None:
    tables = (
        "CREATE TABLE parents (id int PRIMARY KEY);"
        "CREATE TABLE orders (id int PRIMARY KEY,"
        " parent int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE)"
    )
    it = capture(database, trigger(), tables=tables)
    run(it, "INSERT INTO parents VALUES (1), (2), (3)")
    run(it, "INSERT INTO orders VALUES (1, 1), (2, 2), (3, 3), (4, 3)")
    run(it, "UPDATE parents SET id = id + 10")
    run(it, "DELETE FROM parents WHERE id > 11")
    found = changes(it)[4:]
    assert sorted((o["id"], o["parent"], n["parent"]) for op, o, n in found if op == "UPDATE") == [
        (1, 1, 11),
        (2, 2, 12),
        (3, 3, 13),
        (4, 3, 13),
    ]
    assert sorted(o["id"] for op, o, _ in found if op == "DELETE") == [2, 3, 4]


def test_a_row_cascaded_to_twice_in_one_statement_is_two_events_that_follow_each_other(
    database: Database,
) -> None:
    tables = (
        "CREATE TABLE parents (a int UNIQUE, b int UNIQUE);"
        "CREATE TABLE orders (id int PRIMARY KEY, a int REFERENCES parents (a) ON UPDATE CASCADE,"
        " b int REFERENCES parents (b) ON UPDATE CASCADE)"
    )
    it = capture(database, trigger(), tables=tables)
    run(it, "INSERT INTO parents VALUES (1, 1)")
    run(it, "INSERT INTO orders VALUES (1, 1, 1)")
    run(it, "UPDATE parents SET a = 2, b = 2")
    (_, first_old, first_new), (_, second_old, second_new) = changes(it)[1:]
    assert first_old == {"id": 1, "a": 1, "b": 1}
    assert first_new == second_old
    assert second_new == {"id": 1, "a": 2, "b": 2}


def test_a_statement_larger_than_its_plan_expects_keeps_the_order_of_its_changes(
    database: Database,
) -> None:
    tables = (
        "CREATE TABLE parents (a int UNIQUE, b int UNIQUE);"
        "CREATE TABLE orders (id int PRIMARY KEY, a int REFERENCES parents (a) ON UPDATE CASCADE,"
        " b int REFERENCES parents (b) ON UPDATE CASCADE, note text DEFAULT repeat('x', 200));"
        "CREATE INDEX ON orders (a); CREATE INDEX ON orders (b)"
    )
    it = capture(database, trigger(), tables=tables)
    run(it, "SET work_mem = '64kB'; SET plan_cache_mode = force_generic_plan")
    run(it, "INSERT INTO parents SELECT i, i FROM generate_series(1, 2000) i")
    run(it, "INSERT INTO orders SELECT i, i, i FROM generate_series(1, 2000) i")
    run(it, "UPDATE orders SET note = note || 'y' WHERE id <= 2")
    run(it, "UPDATE parents SET a = a + 10000, b = b + 10000")
    last = {i: {"id": i, "a": i, "b": i} for i in range(1, 2001)}
    for event in events(it)[2002:]:
        old, new = ({name: row[name] for name in ("id", "a", "b")} for row in event.change[1:])
        assert last[old["id"]] == old
        last[old["id"]] = new
    assert [tuple(row.values()) for row in last.values()] == run(
        it, "SELECT id, a, b FROM orders ORDER BY id"
    )


def test_a_rolled_back_savepoint_leaves_no_event(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    run(it, "BEGIN")
    run(it, "INSERT INTO orders VALUES (1)")
    run(it, "SAVEPOINT s")
    run(it, "INSERT INTO orders VALUES (2)")
    run(it, "ROLLBACK TO s")
    run(it, "COMMIT")
    assert changes(it) == [("INSERT", None, {"id": 1})]


def test_session_and_trace_are_kept_as_they_are_even_if_they_are_not_json(
    database: Database,
) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    run(it, "INSERT INTO orders VALUES (1)")
    run(it, "SET hasura.\"user\" = '{not json'; SET hasura.tracecontext = 'x'")
    run(it, "INSERT INTO orders VALUES (2)")
    run(it, 'RESET hasura."user"; RESET hasura.tracecontext')
    run(it, "INSERT INTO orders VALUES (3)")
    found = [(e.session, e.trace) for e in events(it)]
    assert found == [(None, None), ("{not json", "x"), (None, None)]


def test_an_escaped_nul_a_megabyte_and_any_bytes_arrive(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (j json, t text, b bytea)")
    run(it, r"""INSERT INTO orders VALUES ('{"a":"\u0000"}', repeat('x', 1000000), '\x00ff80')""")
    run(it, "UPDATE orders SET b = '\\x01'")
    first, second = events(it)
    assert r'"j":{"a":"\u0000"}' in first.raw
    assert len(first.new["t"]) == 1_000_000
    assert (second.old["b"], second.new["b"]) == ("\\x00ff80", "\\x01")


def test_a_writer_needs_no_right_on_the_schema_and_cannot_trick_the_search_path(
    database: Database,
) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    role = database.role()
    run(it, sql.SQL("GRANT INSERT ON orders TO {}").format(sql.Identifier(role)))
    run(it, sql.SQL("CREATE SCHEMA evil AUTHORIZATION {}").format(sql.Identifier(role)))
    writer = database.connect(role)
    run(
        writer,
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''tricked''; END';"
        "CREATE TEMP TABLE event_log (x int); SET search_path = evil, pg_catalog, public",
    )
    run(writer, "INSERT INTO orders VALUES (1)")
    assert changes(it) == [("INSERT", None, {"id": 1})]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(writer, "SELECT * FROM cdc_triggers.event_log")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(writer, "SELECT cdc_triggers.invoke('t', '{}')")


def test_replicated_rows_are_captured_only_for_triggers_that_ask(database: Database) -> None:
    table = "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE plain (id int)"
    specs = (
        trigger("asks", trigger_on_replication=True),
        trigger("asks_not"),
        trigger("plain", table="plain"),
    )
    it = capture(database, *specs, tables=table)
    run(it, "SET session_replication_role = replica")
    run(it, "INSERT INTO orders VALUES (1); INSERT INTO plain VALUES (1)")
    run(it, "RESET session_replication_role")
    run(it, "INSERT INTO orders VALUES (2)")
    assert [(e.meant, e.new) for e in events(it)] == [("asks", {"id": 1}), (None, {"id": 2})]


def test_invoke_writes_a_manual_event_only_for_a_trigger_that_allows_it(database: Database) -> None:
    specs = (trigger("by_hand", definition={"enable_manual": True}), trigger("never"))
    it = capture(database, *specs, tables="CREATE TABLE orders (id int)")
    ((event_id,),) = run(it, "SELECT cdc_triggers.invoke('by_hand', '{\"a\": 1}')::text")
    (event,) = events(it)
    assert (event.id, event.change) == (event_id, ("MANUAL", None, {"a": 1}))
    assert (event.table, event.meant) == ("orders", "by_hand")
    for name, message in (("never", "by hand"), ("unknown", "no trigger")):
        with pytest.raises(psycopg2.Error, match=message):
            run(it, "SELECT cdc_triggers.invoke(%s, '{}')", name)


def test_a_role_without_the_schema_invokes_through_the_documented_function(
    database: Database,
) -> None:
    manual = trigger(definition={"enable_manual": True})
    it = capture(database, manual, tables="CREATE TABLE orders (id int PRIMARY KEY)")
    page = (Path(__file__).parents[2] / "docs/howto/invoke-by-hand.md").read_text("utf-8")
    (made,) = re.findall(r"^CREATE FUNCTION .*?^GRANT .*?;$", page, re.DOTALL | re.MULTILINE)
    role, other = database.role(), database.role()
    run(it, made.replace("TO app", f"TO {role}"))
    call = "SELECT invoke_trigger('t', '{}')"
    run(database.connect(role), "SET cdc_triggers.session = '{}'; " + call)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(database.connect(other), call)
    assert [(e.op, e.meant, e.session) for e in events(it)] == [
        ("MANUAL", "t", '{"cdc_triggers":{}}')
    ]
    run(it, "DROP FUNCTION invoke_trigger")
