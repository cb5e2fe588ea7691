"""Conditions on a real stream: what is delivered, what is skipped, what is kept dead."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.live import NAME, streaming
from support.specs import trigger
from support.streaming import Endpoint, StreamProcess, wait_settled
from support.streaming import apply as apply_triggers
from support.waiting import wait_until

from cdc_triggers.core.cel.functions import Type
from cdc_triggers.core.columns import NOTHING
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.catalog import read_catalog
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from support.databases import Database

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)"
PAID = 'new.status == "paid" && (old == null || old.status != "paid") && new.total / 2.0 > 5.0'


def dead(database: Database) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT (new ->> 'id')::int, tries, reason, last_error, dead_at IS NOT NULL, due_at "
        "FROM cdc_triggers.delivery WHERE status = 'dead' ORDER BY id"
    )


@pytest.mark.servers("18", "16", "system")
def test_true_is_delivered_false_is_skipped_and_an_error_is_kept_dead_until_redelivered(
    database: Database,
) -> None:
    with streaming(
        database,
        ORDERS,
        condition=PAID,
        definition={"insert": {}, "update": {}, "enable_manual": True},
    ) as live:
        live.run(
            "INSERT INTO orders VALUES (1, 'new', 20), (2, 'paid', 11), (3, 'paid', 10)",
            "INSERT INTO orders VALUES (4, 'paid', NULL), (5, 'paid', 12.50)",
            "UPDATE orders SET status = 'paid' WHERE id IN (1, 5)",
            "UPDATE orders SET total = 1000 WHERE status = 'paid'",
        )
        assert [(op, new["id"]) for op, _, new in live.changes()] == [
            ("INSERT", 2),
            ("INSERT", 5),
            ("UPDATE", 1),
        ]
        [kept] = dead(database)
        assert kept[:3] == (4, 0, "failed")
        assert kept[3].startswith("condition: an operator or function got a type")
        assert kept[3].endswith("(null: new.total, old)")
        assert kept[4:] == (True, None)
        [(event_id,)] = database.execute("SELECT event_id::text FROM cdc_triggers.delivery")
        with live.administration() as admin:
            (delivery,) = admin.event(event_id).deliveries
            assert (delivery.status, delivery.last_error) == ("dead", kept[3])
            [state] = admin.status(database.slot).triggers
            assert state.dead == 1
            assert admin.redeliver([event_id], dry_run=False).redelivered == 1
        assert live.changes()[-1] == ("INSERT", None, {"id": 4, "status": "paid", "total": None})
        assert dead(database) == []
        with live.administration() as admin:
            admin.invoke(NAME, '{"any": "thing"}')
        assert live.changes()[-1] == ("MANUAL", None, {"any": "thing"})


def test_a_skipped_event_and_one_kept_dead_hold_nobody_back(database: Database) -> None:
    with streaming(database, ORDERS, condition="10 / new.id > 0 && new.id != 7") as live:
        live.run("INSERT INTO orders SELECT g, 'x', g FROM generate_series(-3, 9) g")
        assert [new["id"] for _, _, new in live.changes()] == [1, 2, 3, 4, 5, 6, 8, 9]
        assert [row[0] for row in dead(database)] == [0]
        live.run("DELETE FROM orders WHERE id = 5")
        wait_settled(database)
        assert [row[3] for row in dead(database)][1:] == [
            "condition: an operator or function got a type that it does not take (null: new)"
        ]


def test_a_paused_trigger_goes_on_deciding(database: Database) -> None:
    with streaming(database, ORDERS, condition="10 / new.id > 5") as live:
        live.pause(paused=True)
        live.run("INSERT INTO orders SELECT g FROM generate_series(0, 9) g")
        live.wait_parked(1)
        wait_until(lambda: len(dead(database)) == 1, what="one is dead")
        live.pause(paused=False)
        assert [new["id"] for _, _, new in live.changes()] == [1]


def test_a_changed_condition_decides_from_the_transactions_after_it(database: Database) -> None:
    with streaming(database, ORDERS, condition="new.id % 2 == 0") as live:
        live.run("INSERT INTO orders SELECT g FROM generate_series(1, 4) g")
        apply_triggers(
            database, live.trigger(ordering="total", condition="new.id % 2 == 1 && new.id > 4")
        )
        live.run("INSERT INTO orders SELECT g FROM generate_series(5, 8) g")
        assert [new["id"] for _, _, new in live.changes()] == [2, 4, 5, 7]


def test_a_renamed_column_and_a_changed_type_are_followed_while_it_streams(
    database: Database,
) -> None:
    tables = "CREATE TABLE orders (id int PRIMARY KEY, total int)"
    condition = "double(new.total) / 4.0 == 2.5"
    with streaming(database, tables, condition=condition) as live:
        live.run(
            "INSERT INTO orders VALUES (1, 10)",
            "ALTER TABLE orders RENAME total TO amount",
            "INSERT INTO orders VALUES (2, 10), (3, 9)",
            "ALTER TABLE orders ALTER amount TYPE numeric(8, 2)",
            "INSERT INTO orders VALUES (4, 10), (5, 9)",
        )
        assert [new["id"] for _, _, new in live.changes()] == [1, 2, 4]
        assert dead(database) == []


def test_session_variables_of_the_writer_can_be_asked_for(database: Database) -> None:
    condition = '"x-hasura-role" in session && session["x-hasura-role"] != "robot"'
    with streaming(database, ORDERS, condition=condition) as live:
        setting = 'SET LOCAL "hasura.user" = \'{"x-hasura-role": "%s"}\''
        for number, role in enumerate(("clerk", "robot")):
            live.run("BEGIN", setting % role, f"INSERT INTO orders VALUES ({number})", "COMMIT")
        live.run("INSERT INTO orders VALUES (2)")
        assert [new["id"] for _, _, new in live.changes()] == [0]
        assert dead(database) == []


def test_a_recovery_asks_the_condition_too(database: Database) -> None:
    database.execute(ORDERS)
    with Endpoint() as endpoint:
        spec = trigger("all", webhook=endpoint.url, condition="10 / new.id > 5")
        apply_triggers(database, spec)
        database.execute("INSERT INTO orders SELECT g FROM generate_series(0, 3) g")
        database.execute("SELECT pg_drop_replication_slot(%s)", database.slot)
        with StreamProcess(database):
            wait_settled(database)
    assert [body["event"]["data"]["new"]["id"] for body in endpoint.bodies] == [1]
    assert dead(database) == [
        (0, 0, "recovered", "condition: divides by zero", True, None),
    ]


TYPES = """
CREATE DOMAIN price AS numeric;
CREATE DOMAIN net_price AS price;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE address AS (street text, number int);
CREATE TABLE kinds (
    id bigint PRIMARY KEY, small smallint, total numeric(8, 2), net net_price, ratio float4,
    paid boolean, name varchar(9), at timestamptz, uid uuid, feeling mood, home address,
    data jsonb, raw json, tags text[], prices numeric[], nets price[], blob bytea, span int4range,
    oid oid, cash money
)"""


def test_the_types_of_columns_are_those_that_to_json_writes(database: Database) -> None:
    database.execute(TYPES)
    with closing(connect(database.dsn, application_name="test catalog")) as connection:
        catalog = read_catalog(connection, [trigger(table="kinds")])
    (details,) = catalog.details.values()
    assert {name: Type(kind) for name, kind in details.types.items()} == {
        **dict.fromkeys(["id", "small"], Type.INT),
        **dict.fromkeys(["total", "net", "ratio"], Type.DOUBLE),
        "paid": Type.BOOL,
        **dict.fromkeys(["name", "at", "uid", "feeling", "blob", "span"], Type.STRING),
        **dict.fromkeys(["oid", "cash"], Type.STRING),
        "home": Type.MAP,
        **dict.fromkeys(["data", "raw"], Type.DYN),
        **dict.fromkeys(["tags", "prices", "nets"], Type.LIST),
    }
    names = {number: name for name, number in details.columns.items()}
    doubles = {"total", "net", "ratio", "prices", "nets"}
    assert {names[number] for number in details.holds.doubles} == doubles


def test_a_condition_sees_each_column_as_its_type(database: Database) -> None:
    condition = (
        "new.id == 9007199254740993 && new.total + 0.5 == 10.5 && new.net / 2.0 == 0.5 && "
        'new.paid && new.name.startsWith("a") && timestamp(new.at).getFullYear() == 2026 && '
        'new.feeling == "ok" && new.home.number + 1 == 8 && new.data.a[0] == 1 && '
        'new.tags == ["x"] && new.prices.all(p, p + 0.5 > 1.0) && new.oid == "5" && '
        "type(new.nets[0]) == double && new.raw.b == null && new.ratio > 1e30"
    )
    with streaming(database, TYPES, table="kinds", condition=condition) as live:
        live.run(
            "INSERT INTO kinds VALUES (9007199254740993, 1, 10, 1, 'Infinity', true, 'abc', "
            "'2026-01-02 03:04:05+01', gen_random_uuid(), 'ok', ROW('s', 7), "
            """'{"a": [1]}', '{"b": null}', '{x}', '{1, 2.5}', '{3}', 'x', '[1,2)', 5, 1)"""
        )
        assert len(live.changes()) == 1
        assert dead(database) == []


def test_the_store_and_the_catalog_agree_on_what_columns_hold(database: Database) -> None:
    database.execute(TYPES)
    with closing(connect(database.dsn, application_name="test apply")) as connection:
        installer = Installer(connection, slot=database.slot)
        installer.apply(installer.plan([trigger(table="kinds")], {"t": "test:1"}))
        catalog = read_catalog(connection, [trigger(table="kinds")])
    with closing(PostgresStore(database.dsn, database.slot, "holder")) as store:
        (row,) = store.load_triggers()
    (details,) = catalog.details.values()
    assert row.holds == details.holds != NOTHING
