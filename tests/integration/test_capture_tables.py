"""Tables of every shape are captured: any name, any type, partitioned, inherited, changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from psycopg2 import sql
from support.capturing import capture, changes, events, level, run
from support.specs import trigger

if TYPE_CHECKING:
    from support.databases import Database


pytestmark = pytest.mark.servers("18", "16")

PARTITIONED = (
    "CREATE TABLE orders (id int, n int) PARTITION BY RANGE (id);"
    "CREATE TABLE orders_low PARTITION OF orders FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE orders_high PARTITION OF orders FOR VALUES FROM (10) TO (20)"
)


def test_names_with_any_characters_are_captured(database: Database) -> None:
    name, column, schema = "Or\"der's %s ä.b", "Co\"l'umn %s", "S\"c. h%e'ma"
    spec = trigger(
        table={"schema": schema, "name": name},
        definition={"update": {"columns": [column]}, "insert": {}},
        ordering_key=[column],
    )
    quoted = '"S""c. h%e\'ma"."Or""der\'s %s ä.b"'
    tables = (
        'CREATE SCHEMA "S""c. h%e\'ma";'
        f'CREATE TABLE {quoted} ("Co""l\'umn %s" int, "new_row__x" int)'
    )
    it = capture(database, spec, tables=tables)
    with it.cursor() as cursor:
        cursor.execute(f"INSERT INTO {quoted} VALUES (1, 2)")
    (event,) = events(it)
    assert (event.schema, event.table, event.new) == (schema, name, {column: 1, "new_row__x": 2})


def test_columns_named_like_the_functions_variables_do_no_harm(database: Database) -> None:
    names = ("n", "o", "a", "b", "new", "old", "seq", "moment", "seed", "image", "place", "change")
    more = ("new_rows", "old_rows", "tg_op", "named", "bucket", "id", "old_image", "new_image")
    columns = ", ".join(f'"{name}" int DEFAULT 1' for name in names + more)
    it = capture(database, trigger(), tables=f"CREATE TABLE orders ({columns})")
    run(it, "INSERT INTO orders DEFAULT VALUES")
    run(it, "INSERT INTO orders DEFAULT VALUES")
    run(it, 'UPDATE orders SET "n" = 2')
    run(it, 'UPDATE orders SET "n" = 3 WHERE ctid = (SELECT min(ctid) FROM orders)')
    run(it, "DELETE FROM orders")
    found = events(it)
    assert [e.op for e in found] == ["INSERT"] * 2 + ["UPDATE"] * 3 + ["DELETE"] * 2
    assert all(set(json.loads(e.raw)) == set(names + more) for e in found)


def test_every_kind_of_type_becomes_json(database: Database) -> None:
    tables = (
        "CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE DOMAIN positive AS int CHECK (value > 0);"
        "CREATE TYPE pair AS (x int, y text);"
        "CREATE TABLE orders (m mood, d positive, p pair, l int[], r int4range, u uuid,"
        " n numeric, f float8, j jsonb, t timestamptz,"
        " doubled int GENERATED ALWAYS AS (d * 2) STORED)"
    )
    it = capture(database, trigger(), tables=tables)
    run(
        it,
        "INSERT INTO orders VALUES ('ok', 2, (1, 'a'), '{1,2}', '[1,5)',"
        " '00000000-0000-0000-0000-000000000001', 1.2345678901234567890, 'NaN',"
        " '{\"k\": null}', NULL)",
    )
    (event,) = events(it)
    assert event.new == {
        "m": "ok",
        "d": 2,
        "p": {"x": 1, "y": "a"},
        "l": [1, 2],
        "r": "[1,5)",
        "u": "00000000-0000-0000-0000-000000000001",
        "n": 1.2345678901234567,
        "f": "NaN",
        "j": {"k": None},
        "t": None,
        "doubled": 4,
    }
    assert "1.2345678901234567890" in event.raw


def test_columns_and_the_table_may_change_while_captured(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int, gone int, name text)")
    for statement in (
        "INSERT INTO orders VALUES (1, 1, 'a')",
        "UPDATE orders SET name = 'b'",
        "ALTER TABLE orders ADD COLUMN extra int DEFAULT 7",
        "UPDATE orders SET name = 'c'",
        "ALTER TABLE orders DROP COLUMN gone",
        "UPDATE orders SET name = 'd'",
        "ALTER TABLE orders RENAME COLUMN name TO title",
        "ALTER TABLE orders ALTER COLUMN extra TYPE text",
        "UPDATE orders SET title = 'e'",
        "ALTER TABLE orders RENAME TO sales",
        "DELETE FROM sales",
    ):
        run(it, statement)
    found = events(it)
    assert [e.raw and list(json.loads(e.raw)) for e in found] == [
        ["id", "gone", "name"],
        ["id", "gone", "name"],
        ["id", "gone", "name", "extra"],
        ["id", "name", "extra"],
        ["id", "title", "extra"],
        ["id", "title", "extra"],
    ]
    assert [e.table for e in found] == ["orders"] * 5 + ["sales"]


def test_a_partitioned_table_reports_its_own_name_also_for_partitions_added_later(
    database: Database,
) -> None:
    it = capture(database, trigger(), tables=PARTITIONED)
    assert level(it) == "row"
    run(it, "INSERT INTO orders VALUES (1, 1)")
    run(it, "UPDATE orders_low SET n = 2")
    run(it, "CREATE TABLE orders_more PARTITION OF orders FOR VALUES FROM (20) TO (30)")
    run(it, "ALTER TABLE orders RENAME TO sales")
    run(it, "INSERT INTO orders_more VALUES (21, 1)")
    run(it, "UPDATE sales SET id = 11 WHERE id = 1")
    found = events(it)
    assert [e.op for e in found] == ["INSERT", "UPDATE", "INSERT", "DELETE", "INSERT"]
    assert [e.table for e in found] == ["orders", "orders", "sales", "sales", "sales"]


def test_a_partition_and_its_root_can_both_be_captured(database: Database) -> None:
    tables = (
        "CREATE TABLE orders (id int, k int) PARTITION BY LIST (k);"
        "CREATE TABLE middle PARTITION OF orders FOR VALUES IN (1) PARTITION BY LIST (id);"
        "CREATE TABLE leaf PARTITION OF middle FOR VALUES IN (1)"
    )
    specs = (trigger("root"), trigger("middle", table="middle"), trigger("leaf", table="leaf"))
    it = capture(database, *specs, tables=tables)
    run(it, "INSERT INTO orders VALUES (1, 1)")
    assert sorted(e.table for e in events(it)) == ["leaf", "middle", "orders"]


def test_a_captured_table_that_is_attached_as_a_partition_stays_captured_whole(
    database: Database,
) -> None:
    tables = (
        "CREATE TABLE orders (id int, n int);"
        'CREATE TABLE "all ""of"" it" (id int, n int) PARTITION BY RANGE (id)'
    )
    it = capture(database, trigger(), tables=tables)
    attach = 'ALTER TABLE "all ""of"" it" ATTACH PARTITION orders FOR VALUES FROM (0) TO (9)'
    run(it, attach)
    for table in ('"all ""of"" it"', "orders"):
        run(it, f"INSERT INTO {table} VALUES (1, 1)")
        run(it, f"UPDATE {table} SET n = 2")
        run(it, f"DELETE FROM {table}")
    assert [(e.op, e.table) for e in events(it)] == [
        (op, "orders") for op in ("INSERT", "UPDATE", "DELETE")
    ] * 2
    run(it, 'ALTER TABLE "all ""of"" it" DETACH PARTITION orders')
    run(it, "INSERT INTO orders VALUES (2, 1)")
    assert len(events(it)) == 7


def test_attached_to_a_captured_table_its_rows_are_events_of_both(database: Database) -> None:
    tables = (
        "CREATE TABLE orders (id int, n int); CREATE TABLE loose (id int, n int);"
        "CREATE TABLE root (id int, n int) PARTITION BY RANGE (id)"
    )
    it = capture(database, trigger(), trigger("root", table="root"), tables=tables)
    run(it, "ALTER TABLE root ATTACH PARTITION orders FOR VALUES FROM (0) TO (10)")
    run(it, "ALTER TABLE root ATTACH PARTITION loose FOR VALUES FROM (10) TO (20)")
    run(it, "INSERT INTO root VALUES (1, 1), (11, 1)")
    run(it, "UPDATE orders SET n = 2")
    run(it, "UPDATE loose SET n = 2")
    found = sorted((e.op, e.table, e.new["id"]) for e in events(it))
    assert found == [
        *[("INSERT", "orders", 1), ("INSERT", "root", 1), ("INSERT", "root", 11)],
        *[("UPDATE", "orders", 1), ("UPDATE", "root", 1), ("UPDATE", "root", 11)],
    ]


def test_an_owner_without_rights_on_the_schema_can_add_a_partition(database: Database) -> None:
    role = database.role()
    connection = database.connect()
    run(connection, sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(role)))
    owner = database.connect(role)
    run(owner, PARTITIONED)
    it = capture(database, trigger(), tables="SELECT 1")
    run(owner, "CREATE TABLE orders_more PARTITION OF orders FOR VALUES FROM (20) TO (30)")
    run(owner, "INSERT INTO orders VALUES (25, 1)")
    assert changes(it) == [("INSERT", None, {"id": 25, "n": 1})]
    run(it, sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))


def test_rows_of_an_inherited_table_are_captured_under_their_own_name(database: Database) -> None:
    tables = "CREATE TABLE parents (id int); CREATE TABLE orders () INHERITS (parents)"
    it = capture(database, trigger(), tables=tables)
    run(it, "INSERT INTO orders VALUES (1)")
    run(it, "UPDATE parents SET id = 2")
    assert changes(it) == [("INSERT", None, {"id": 1}), ("UPDATE", {"id": 1}, {"id": 2})]


def test_what_a_tables_own_row_trigger_writes_comes_after_what_fired_it(database: Database) -> None:
    tables = """
        CREATE TABLE orders (id int, n int);
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE orders SET n = n + 1 WHERE id = NEW.id; RETURN NULL; END';
        CREATE TRIGGER "A first" AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch()"""
    it = capture(database, trigger(), tables=tables)
    assert level(it) == "row"
    run(it, "INSERT INTO orders VALUES (1, 1)")
    assert [op for op, _, _ in changes(it)] == ["INSERT", "UPDATE"]


@pytest.mark.servers("18")
@pytest.mark.since(18)
def test_a_virtual_column_keeps_its_key(database: Database) -> None:
    table = "CREATE TABLE orders (id int, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)"
    it = capture(database, trigger(), tables=table)
    run(it, "INSERT INTO orders VALUES (1)")
    assert changes(it) == [("INSERT", None, {"id": 1, "twice": None})]
