"""Hasura's contract for event triggers, row by row, as far as no other test re-enacts it.

One database, one stream, one endpoint for all rows. Elsewhere are: definitions (`test_bad_input`,
`test_trigger_file`), COPY, upserts, cascades, rollbacks, partitions and odd names
(`test_hostile_data`), renames, archives and retries (`test_live_changes`), transforms
(`test_transforms`), the import (`test_move_from_hasura`), the API (`test_http_*`).
"""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from support.contract import (
    ANSWERS,
    DELIVERED,
    PLACES,
    POSTGIS,
    RETRY_AFTER,
    SESSIONS,
    SHAPES,
    TABLES,
    TYPES,
    VALUES,
    Value,
)
from support.databases import create
from support.live import Live, streaming
from support.servers import MissingError, missing
from support.streaming import wait_confirmed
from support.waiting import wait_until

from cdc_triggers.core import rowjson
from cdc_triggers.core.geojson import of_hex
from cdc_triggers.http.receiver import Reply
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Pool

NESTED = "GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2)))"

OF_ANSWER = """
SELECT status, extract(epoch FROM due_at - parked_at)::float8 FROM cdc_triggers.delivery
 WHERE trigger_name = %s AND new ->> 'id' = %s::text"""


def decide(body: dict[str, Any], _tries: int) -> Reply:
    if not body["trigger"]["name"].startswith("answers"):
        return Reply()
    row = body["event"]["data"]["new"]
    headers = () if row["retry_after"] is None else (("Retry-After", row["retry_after"]),)
    return Reply(status=row["status"], headers=headers)


@pytest.fixture(scope="module")
def live(server_pool: Pool) -> Iterator[Live]:
    try:
        server = server_pool.get("system")
    except MissingError as error:
        raise missing(error) from error
    values = VALUES + (PLACES if server.has_postgis else [])
    kept = [status for status, _ in ANSWERS if status not in DELIVERED]
    columns = ", ".join(f"c{number} {value.type}" for number, value in enumerate(values))
    types = f"{TYPES};{POSTGIS}" if server.has_postgis else TYPES
    database = create(server)
    with streaming(
        database,
        f"{types};{TABLES};CREATE TABLE kinds (id int PRIMARY KEY, {columns})",
        decide=decide,
        table="kinds",
    ) as live:
        live.apply(*triggers(live))
        write(live, values)
        live.bodies()
        answer(live)
        wait_confirmed(database)
        wait_until(lambda: live.parked() == len(kept), what="the last answer is written down")
        yield live
    database.drop()


def triggers(live: Live) -> Iterator[Any]:
    inserts: dict[str, Any] = {"insert": {}}
    own = [{"name": "X-Own", "value": "1"}]
    yield live.trigger("plain", "kinds", definition=inserts, headers=own)
    yield live.trigger("as_text", "kinds", definition=inserts, stringify_numeric_types=True)
    narrowed = {"insert": {"payload": ["c2", "c4"]}}
    yield live.trigger("narrowed", "kinds", definition=narrowed, stringify_numeric_types=True)
    yield live.trigger("writes", "writes", ordering="total")
    yield live.trigger("parts", "parts", ordering="total")
    by_hand = {"enable_manual": True}
    yield live.trigger("by_hand", "kinds", definition=by_hand, stringify_numeric_types=True)
    listed = {"insert": {}, "update": {"columns": ["j", "x", "p"]}}
    yield live.trigger("images", "images", ordering="none", definition=listed)
    yield live.trigger("moves", "moves", stringify_numeric_types=True, ordering="total")
    yield live.trigger("answers", "answers", ordering="none")
    waits = {"num_retries": 1, "interval_sec": 600}
    yield live.trigger("answers_waits", "answers", ordering="none", retry_conf=waits)


def write(live: Live, values: list[Value]) -> None:
    types = [value.type.replace("bigserial", "bigint") for value in values]
    cast = ", ".join(f"({v.literal})::{t}" for v, t in zip(values, types, strict=True))
    live.run(f"INSERT INTO kinds VALUES (1, {cast})")
    for number, session in enumerate(SESSIONS.values()):
        live.run("BEGIN")
        live.run(*(f"SET LOCAL {name} = '{text}'" for name, text in session.settings.items()))
        live.run(f"INSERT INTO writes VALUES ({number})", f"INSERT INTO parts VALUES ({number})")
        live.run("COMMIT")
    live.run("""INSERT INTO images VALUES (1, '{"a": 1}', '<a/>', '(1,2)')""")
    for change in (
        """j = '{"a": 1}'""",
        """j = '{"a":1}'""",
        "x = '<b/>'",
        "p = '(1,3)'",
        "id = 2",
    ):
        live.run(f"UPDATE images SET {change}")
    live.run("TRUNCATE images")
    live.run("INSERT INTO moves VALUES (1, 1.10, 3)")
    live.run("ALTER TABLE moves RENAME price TO cost", "ALTER TABLE moves RENAME TO removals")
    live.run("UPDATE removals SET cost = 1.20", "ALTER TABLE removals DROP gone")
    live.run("UPDATE removals SET cost = 1.30")


def answer(live: Live) -> None:
    for number, (status, retry_after) in enumerate(ANSWERS):
        with live.connection.cursor() as cursor:
            cursor.execute("INSERT INTO answers VALUES (%s, %s, %s)", [number, status, retry_after])


def sent(live: Live, trigger: str) -> list[dict[str, Any]]:
    return [body for body in live.endpoint.bodies if body["trigger"]["name"] == trigger]


def row(live: Live, trigger: str) -> dict[str, str]:
    """The new row of its one event, values as they stand in the body."""
    name = f'"trigger":{{"name":"{trigger}"}}'.encode()
    (raw,) = (raw for raw in live.endpoint.raw if name in raw)
    for step in ("event", "data", "new"):
        raw = rowjson.fields(raw)[step]
    return {name: value.decode() for name, value in rowjson.fields(raw).items()}


# ---- the request


def test_the_request_has_the_contracts_fields_and_nothing_else(live: Live) -> None:
    (body,) = sent(live, "plain")
    headers = live.endpoint.headers[live.endpoint.bodies.index(body)]
    assert (headers["content-type"], headers["x-own"]) == ("application/json", "1")
    assert list(body) == ["id", "created_at", "table", "trigger", "delivery_info", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["created_at"])
    assert body["table"] == {"schema": "public", "name": "kinds"}
    assert body["delivery_info"] == {"current_retry": 0, "max_retries": 0}
    event = body["event"]
    assert list(event) == ["op", "session_variables", "trace_context", "data"]
    assert (event["op"], event["data"]["old"]) == ("INSERT", None)


EVERY = list(enumerate(VALUES + PLACES))


@pytest.mark.parametrize(("number", "value"), EVERY, ids=[f"{v.type}={v.json}" for _, v in EVERY])
def test_a_value_is_sent_as_its_type_says(live: Live, number: int, value: Value) -> None:
    if value in PLACES:
        need_postgis(live)
    assert row(live, "plain")[f"c{number}"] == value.json
    assert row(live, "as_text")[f"c{number}"] == (value.text or value.json)


def test_a_narrowed_payload_has_its_numbers_as_text_too(live: Live) -> None:
    assert row(live, "narrowed") == {"c2": VALUES[2].text, "c4": VALUES[4].text}


def test_a_place_has_the_form_that_postgis_gives_a_geometry(live: Live) -> None:
    need_postgis(live)
    query = "SELECT s, s::geometry::text, json(s::geometry)::text FROM unnest(%s) s"
    for shape, hexadecimal, written in live.database.execute(query, SHAPES):
        assert json.loads(of_hex(hexadecimal.encode()) or b"0") == json.loads(written), shape


def test_without_postgis_own_cast_every_geometry_can_be_written(live: Live) -> None:
    """With it the writer's statement fails for curves and nested collections."""
    need_postgis(live)
    live.run(
        "ALTER EXTENSION postgis DROP CAST (geometry AS json); DROP CAST (geometry AS json)",
        "CREATE TABLE curves (id int PRIMARY KEY, g geometry)",
    )
    live.apply(*triggers(live), live.trigger("curves", "curves", ordering="total"))
    shapes = ["POINT(1 2)", "CIRCULARSTRING(0 0,1 1,2 0)", NESTED]
    live.run(*(f"INSERT INTO curves VALUES ({n}, '{each}')" for n, each in enumerate(shapes)))
    wait_until(lambda: len(sent(live, "curves")) == len(shapes), what="the curves arrive")
    point, curve, nested = (body["event"]["data"]["new"]["g"] for body in sent(live, "curves"))
    assert point == {"type": "Point", "coordinates": [1, 2]}
    assert re.fullmatch("[0-9A-F]+", curve)
    assert nested["geometries"][0]["geometries"][0] == point


def need_postgis(live: Live) -> None:
    if not live.database.server.has_postgis:
        raise missing(MissingError("no PostGIS: install postgresql-<version>-postgis-3"))


# ---- the writer's transaction


@pytest.mark.parametrize("table", ["writes", "parts"], ids=["per-statement", "per-row"])
@pytest.mark.parametrize("name", SESSIONS)
def test_session_and_trace_are_what_the_writers_transaction_set(
    live: Live, name: str, table: str
) -> None:
    number, expected = list(SESSIONS).index(name), SESSIONS[name]
    body = sent(live, table)[number]
    assert body["event"]["data"]["new"] == {"id": number}
    assert body["event"]["session_variables"] == expected.session
    assert body["event"]["trace_context"] == expected.trace
    headers = live.endpoint.headers[live.endpoint.bodies.index(body)]
    assert headers.get("traceparent") == expected.header


def test_whoever_may_execute_invoke_needs_no_other_right(live: Live) -> None:
    role = live.database.role()
    live.run(
        f"GRANT USAGE ON SCHEMA cdc_triggers TO {role}",
        f"GRANT EXECUTE ON FUNCTION cdc_triggers.invoke(text, json) TO {role}",
    )
    caller = live.database.connect(role)
    with caller.cursor() as cursor:
        cursor.execute('BEGIN; SET LOCAL cdc_triggers.session = \'{"user":"u"}\'')
        cursor.execute("SELECT cdc_triggers.invoke('by_hand', '{\"n\": 1.10}')::text")
        ((event_id,),) = cursor.fetchall()
        cursor.execute("COMMIT")
    wait_until(lambda: sent(live, "by_hand"), what="the invocation arrives")
    (body,) = sent(live, "by_hand")
    assert (body["id"], body["event"]["op"]) == (event_id, "MANUAL")
    assert body["event"]["data"] == {"old": None, "new": {"n": 1.1}}
    assert body["event"]["session_variables"] == {"user": "u"}
    with caller.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SELECT FROM cdc_triggers.trigger")


# ---- what fires


def test_columns_without_an_equality_operator_are_compared_by_image(live: Live) -> None:
    bodies = sent(live, "images")
    assert [body["event"]["op"] for body in bodies].count("INSERT") == 1
    new = [body["event"]["data"]["new"] for body in bodies if body["event"]["op"] == "UPDATE"]
    assert [(image["x"], image["p"]) for image in new] == [
        ("<a/>", "(1,2)"),
        ("<b/>", "(1,2)"),
        ("<b/>", "(1,3)"),
    ]


def test_truncate_is_no_event(live: Live) -> None:
    assert {body["event"]["op"] for body in sent(live, "images")} == {"INSERT", "UPDATE"}


def test_a_renamed_column_keeps_its_type_and_the_payload_its_names(live: Live) -> None:
    bodies = sent(live, "moves")[:3]
    assert [body["table"]["name"] for body in bodies] == ["moves", "removals", "removals"]
    assert [body["event"]["data"] for body in bodies] == [
        {"old": None, "new": {"id": "1", "price": "1.10", "gone": "3"}},
        {
            "old": {"id": "1", "cost": "1.10", "gone": "3"},
            "new": {"id": "1", "cost": "1.20", "gone": "3"},
        },
        {"old": {"id": "1", "cost": "1.20"}, "new": {"id": "1", "cost": "1.30"}},
    ]


def test_a_changed_type_counts_from_the_next_apply_on(live: Live) -> None:
    before = len(sent(live, "moves"))
    live.run("ALTER TABLE removals ALTER cost TYPE int")
    with closing(connect(live.database.dsn, application_name="test apply")) as connection:
        Installer(connection, slot=live.database.slot).reload()
    live.run("UPDATE removals SET cost = 7")
    wait_until(lambda: len(sent(live, "moves")) > before, what="the update arrives")
    assert sent(live, "moves")[-1]["event"]["data"]["new"] == {"id": "1", "cost": 7}


# ---- the outcome


@pytest.mark.parametrize(("number", "status"), [(n, s) for n, (s, _) in enumerate(ANSWERS)])
def test_2xx_is_success_and_everything_else_is_not(live: Live, number: int, status: int) -> None:
    kept = live.database.execute(OF_ANSWER, "answers", number)
    assert [found[0] for found in kept] == ([] if status in DELIVERED else ["dead"])
    waits = live.database.execute(OF_ANSWER, "answers_waits", number)
    assert [found[0] for found in waits] == ([] if status in DELIVERED else ["parked"])


@pytest.mark.parametrize("value", RETRY_AFTER)
def test_retry_after_replaces_the_interval_if_it_is_a_positive_number_of_seconds(
    live: Live, value: str
) -> None:
    number = ANSWERS.index((429, value))
    ((_, delay),) = live.database.execute(OF_ANSWER, "answers_waits", number)
    least, most = RETRY_AFTER[value]
    assert least - 1 <= delay <= most + 1
