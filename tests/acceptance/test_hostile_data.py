"""Whatever a row, a name or a session holds: the statement succeeds and the event arrives whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support import databases
from support.live import change, streaming
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.databases import Database
    from support.servers import Server

DIGITS = "1234567890123456789012345678901234567890.0123456789"

TYPES = """
CREATE TYPE mood AS ENUM ('ok', 'so so');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (x int, y text);
CREATE TABLE orders (
    id int PRIMARY KEY, n numeric, big bigint, f float8, b bytea, t text, missing text,
    l int[], ll text[], p pair, m mood, d positive, r int4range, i interval, u uuid,
    day date, at timestamptz, ok boolean, j json, jb jsonb, pt point,
    doubled int GENERATED ALWAYS AS (d * 2) STORED)"""

ROW = rf"""
INSERT INTO orders VALUES (
    1, {DIGITS}, 9223372036854775807, 'NaN', '\xff00fe80', 'a"b\c' || E'\n\t\x01' || 'ä€😀', NULL,
    '{{1,NULL,3}}', '{{{{a,b}},{{"c d",NULL}}}}', (7, 'y"'), 'so so', 5, '[1,5)', '1 day 02:03',
    '00000000-0000-0000-0000-00000000000a', '2026-02-03', '2026-02-03 04:05:06.7+02', true,
    '{{"a": {{"b": [1, null, "\u0000"]}}, "a": 1.10}}', '{{"k": {{"l": [1.50, {{}}]}}}}',
    '(1,2)')"""

EXPECTED = {
    "id": 1,
    "big": 9223372036854775807,
    "f": "NaN",
    "b": "\\xff00fe80",
    "t": 'a"b\\c\n\t\x01ä€😀',
    "missing": None,
    "l": [1, None, 3],
    "ll": [["a", "b"], ["c d", None]],
    "p": {"x": 7, "y": 'y"'},
    "m": "so so",
    "d": 5,
    "r": "[1,5)",
    "i": "1 day 02:03:00",
    "u": "00000000-0000-0000-0000-00000000000a",
    "day": "2026-02-03",
    "ok": True,
    "jb": {"k": {"l": [1.5, {}]}},
    "pt": "(1,2)",
    "doubled": 10,
}
COLUMNS = (
    "id n big f b t missing l ll p m d r i u day at ok j jb pt doubled".split()  # noqa: SIM905
)
ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, seq int NOT NULL DEFAULT 0, note text)"

HOSTILE_SCHEMA = "sch\"e'ma \\ ä"
HOSTILE_TABLE = "or\"der's, \\ % {x} ü😀"
HOSTILE_COLUMN = "co\"l'umn \\ \\u0041 % é"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.servers("18", "16", "system")
def test_every_type_arrives_as_json_with_every_digit_and_null_keeps_its_key(
    database: Database,
) -> None:
    with streaming(database, TYPES) as live:
        live.run(ROW)
        [body] = live.bodies()
    new = body["event"]["data"]["new"]
    assert {key: new[key] for key in EXPECTED} == EXPECTED
    assert list(new) == COLUMNS
    raw = live.endpoint.raw[0].decode()
    assert f'"n":{DIGITS},' in raw
    assert r'"j":{"a": {"b": [1, null, "\u0000"]}, "a": 1.10}' in raw
    assert '"jb":{"k": {"l": [1.50, {}]}}' in raw


@pytest.mark.servers("system")
def test_wal2json_carries_the_same_row_as_pgoutput(wal2json: object, database: Database) -> None:
    with streaming(database, TYPES, "--plugin", "wal2json") as live:
        live.run(ROW, "UPDATE orders SET b = '\\x00'", "DELETE FROM orders")
        inserted, updated, deleted = live.changes()
    assert {key: inserted[2][key] for key in EXPECTED} == EXPECTED
    assert f'"n":{DIGITS},'.encode() in live.endpoint.raw[0]
    assert updated == ("UPDATE", inserted[2], {**inserted[2], "b": "\\x00"})
    assert deleted == ("DELETE", updated[2], None)


def test_a_row_of_a_megabyte_arrives_whole_and_so_does_what_follows(database: Database) -> None:
    with streaming(database, ORDERS) as live:
        live.run(
            "INSERT INTO orders SELECT 1, 1, string_agg(md5(g::text), '') FROM "
            "generate_series(1, 32768) g"
        )
        live.run("UPDATE orders SET seq = 2", "INSERT INTO orders VALUES (2, 1, 'small')")
        first, second, third = live.changes()
    assert len(first[2]["note"]) == 2**20
    assert (second[1], second[2]["note"]) == (first[2], first[2]["note"])
    assert third == ("INSERT", None, {"id": 2, "seq": 1, "note": "small"})


def test_names_of_quotes_spaces_backslashes_and_unicode_arrive_as_they_are(
    database: Database,
) -> None:
    table = f"{quoted(HOSTILE_SCHEMA)}.{quoted(HOSTILE_TABLE)}"
    column = quoted(HOSTILE_COLUMN)
    with streaming(
        database,
        f"CREATE SCHEMA {quoted(HOSTILE_SCHEMA)};"
        f"CREATE TABLE {table} ({column} int PRIMARY KEY, other int)",
        table={"schema": HOSTILE_SCHEMA, "name": HOSTILE_TABLE},
        definition={"update": {"columns": [HOSTILE_COLUMN], "payload": [HOSTILE_COLUMN]}},
        ordering="key",
    ) as live:
        live.run(f"INSERT INTO {table} VALUES (1, 1)")
        live.run(f"UPDATE {table} SET other = 2", f"UPDATE {table} SET {column} = 5")
        [body] = live.bodies()
    assert body["table"] == {"schema": HOSTILE_SCHEMA, "name": HOSTILE_TABLE}
    assert change(body) == ("UPDATE", {HOSTILE_COLUMN: 1}, {HOSTILE_COLUMN: 5})


@pytest.mark.parametrize(
    "setting",
    ["not json", "", "[1]", '"text"', '{"x-hasura-a": ', "'; DROP TABLE orders; --", "\\u0000",
     '{"x-hasura-role": "\\ud800"}', "[" * 5000],
)  # fmt: skip
def test_a_session_setting_that_is_no_json_object_reads_as_absent(
    database: Database, setting: str
) -> None:
    with streaming(database, ORDERS) as live:
        with live.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('hasura.user', %s, false)", [setting])
            cursor.execute("SELECT set_config('hasura.tracecontext', %s, false)", [setting])
        live.run("INSERT INTO orders VALUES (1)")
        [body] = live.bodies()
    assert body["event"]["session_variables"] is None
    assert body["event"]["trace_context"] is None
    assert "traceparent" not in live.endpoint.headers[0]


def test_session_variables_and_trace_are_those_of_the_writers_transaction(
    database: Database,
) -> None:
    user = {"X-Hasura-Role": "admin", "x-hasura-user-id": 7, "secret": "not passed on"}
    trace = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
             "sampling_state": "1"}  # fmt: skip
    with streaming(database, ORDERS) as live:
        live.run("BEGIN")
        with live.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('hasura.user', %s, true)", [json.dumps(user)])
            cursor.execute(
                "SELECT set_config('hasura.tracecontext', %s, true)", [json.dumps(trace)]
            )
        live.run("INSERT INTO orders VALUES (1)", "COMMIT", "INSERT INTO orders VALUES (2)")
        first, second = live.bodies()
    assert first["event"]["session_variables"] == {
        "x-hasura-role": "admin",
        "x-hasura-user-id": "7",
    }
    assert first["event"]["trace_context"] == trace
    assert (
        live.endpoint.headers[0]["traceparent"] == f"00-{trace['trace_id']}-{trace['span_id']}-01"
    )
    assert (second["event"]["session_variables"], second["event"]["trace_context"]) == (None, None)
    assert "traceparent" not in live.endpoint.headers[1]


@pytest.mark.servers("18", "16")
def test_copy_upsert_merge_and_cascade_are_one_event_a_row(
    server: Server, database: Database
) -> None:
    # PostgreSQL 14 has no MERGE
    merge = (
        "MERGE INTO orders o USING (VALUES (1, 7)) s (id, n) ON o.id = s.id "
        "WHEN MATCHED THEN UPDATE SET n = s.n"
    )
    update = "UPDATE orders SET n = 7 WHERE id = 1"
    with streaming(
        database,
        "CREATE TABLE parents (id int PRIMARY KEY);"
        "CREATE TABLE orders (id int PRIMARY KEY, n int, "
        "parent int REFERENCES parents ON DELETE CASCADE)",
        definition={
            "insert": {},
            "update": {"payload": ["id", "n"]},
            "delete": {"payload": ["id"]},
        },
    ) as live:
        live.run(
            "INSERT INTO parents VALUES (1), (2)",
            "COPY orders FROM PROGRAM 'printf \"1\\t1\\t1\\n2\\t2\\t2\\n\"'",
            "INSERT INTO orders VALUES (2, 5, 2) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
            "INSERT INTO orders VALUES (2, 9, 2) ON CONFLICT DO NOTHING",
            merge if server.version >= 15 else update,
            "DELETE FROM parents WHERE id = 2",
        )
        found = live.changes()
    assert found == [
        ("INSERT", None, {"id": 1, "n": 1, "parent": 1}),
        ("INSERT", None, {"id": 2, "n": 2, "parent": 2}),
        ("UPDATE", {"id": 2, "n": 2}, {"id": 2, "n": 5}),
        ("UPDATE", {"id": 1, "n": 1}, {"id": 1, "n": 7}),
        ("DELETE", {"id": 2}, None),
    ]


def test_what_is_rolled_back_or_changes_nothing_or_is_not_listed_is_never_sent(
    database: Database,
) -> None:
    with streaming(
        database,
        ORDERS,
        definition={"insert": {"payload": ["note"]}, "update": {"columns": ["seq"]}},
    ) as live:
        live.run(
            "BEGIN", "INSERT INTO orders VALUES (1, 1, 'kept')", "SAVEPOINT s",
            "INSERT INTO orders VALUES (2, 1, 'lost')", "ROLLBACK TO s", "COMMIT",
            "BEGIN", "UPDATE orders SET seq = 9", "ROLLBACK",
            "UPDATE orders SET seq = seq, note = note",
            "UPDATE orders SET note = 'not listed'",
            "UPDATE orders SET seq = 2",
            "DELETE FROM orders",
            "TRUNCATE orders",
        )  # fmt: skip
        found = live.changes()
    before = {"id": 1, "seq": 1, "note": "not listed"}
    assert found == [("INSERT", None, {"note": "kept"}), ("UPDATE", before, {**before, "seq": 2})]


def test_a_changed_key_is_an_update_that_keeps_its_place_among_both_keys(
    database: Database,
) -> None:
    tables = "CREATE TABLE orders (id int PRIMARY KEY DEFERRABLE, row int, n int)"
    with streaming(database, tables, ordering="key") as live:
        live.run("INSERT INTO orders SELECT g, g, 0 FROM generate_series(1, 20) g")
        for _ in range(5):
            live.run("UPDATE orders SET id = id + 1", "UPDATE orders SET n = n + 1")
        found = live.changes()
    assert len(found) == 20 + 5 * 40
    assert ("UPDATE", {"id": 1, "row": 1, "n": 0}, {"id": 2, "row": 1, "n": 0}) in found
    # whoever applies the changes as they arrive to its own copy never meets a contradiction
    last: dict[int, Any] = {}
    for _, old, new in found:
        assert last.get(new["row"]) == old
        last[new["row"]] = new
    assert last == {i: {"id": i + 5, "row": i, "n": 5} for i in range(1, 21)}


def test_a_table_without_a_key_is_delivered_without_order(database: Database) -> None:
    with streaming(database, "CREATE TABLE orders (n int, p point)", ordering="key") as live:
        live.run("INSERT INTO orders VALUES (1, '(1,2)'), (1, '(1,2)'), (2, NULL)")
        live.run("UPDATE orders SET n = 3", "DELETE FROM orders")
        found = [op for op, _, _ in live.changes()]
    assert sorted(found) == ["DELETE"] * 3 + ["INSERT"] * 3 + ["UPDATE"] * 3


@pytest.mark.servers("18", "16")
def test_a_partitioned_table_is_reported_under_its_own_name(database: Database) -> None:
    with streaming(
        database,
        "CREATE TABLE orders (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (10);",
    ) as live:
        live.run(
            "INSERT INTO orders VALUES (1, 1)",
            "UPDATE low SET n = 2",
            "CREATE TABLE high PARTITION OF orders FOR VALUES FROM (10) TO (20)",
            "INSERT INTO high VALUES (11, 1)",
        )
        bodies = live.bodies()
    assert [body["table"]["name"] for body in bodies] == ["orders"] * 3
    assert change(bodies[1]) == ("UPDATE", {"id": 1, "n": 1}, {"id": 1, "n": 2})


def test_a_change_that_the_server_cannot_decode_is_asked_for_at_growing_pauses(
    server: Server,
) -> None:
    encoding = "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    database = databases.create(server, encoding)
    try:
        with streaming(database, "CREATE TABLE orders (id int PRIMARY KEY, note text)") as live:
            live.run("INSERT INTO orders VALUES (1, 'plain')")
            assert len(live.bodies()) == 1
            live.run("INSERT INTO orders VALUES (2, E'\\xe4')")
            wait_until(lambda: "retry_s=1.6" in live.stream.log, what="the pauses grow")
            assert "invalid byte sequence" in live.stream.log
            assert live.stream.log.count("stream.interrupted") <= 6
    finally:
        database.drop()
