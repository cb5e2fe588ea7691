"""Triggers, tables and endpoints change while the stream runs, or while it does not."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from support.live import NAME, change, streaming
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database
    from support.live import Live

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, seq int NOT NULL DEFAULT 0, note text)"
SECRET = "s3cret-0f-the-3nvironment"
FOR_EVER = {"num_retries": 1000, "interval_sec": 3600}


def test_columns_and_the_table_may_be_renamed_and_dropped_while_the_stream_runs(
    database: Database,
) -> None:
    with streaming(
        database,
        "CREATE TABLE orders (doomed int DEFAULT 0, id int PRIMARY KEY, seq int, note text)",
        definition={"update": {"columns": ["seq"], "payload": ["id", "seq"]}},
        ordering="key",
    ) as live:
        live.run("INSERT INTO orders VALUES (0, 1, 0), (0, 2, 0)")
        live.run("UPDATE orders SET seq = 1 WHERE id = 1")
        live.run(
            "ALTER TABLE orders RENAME COLUMN seq TO number",
            "UPDATE orders SET number = 2 WHERE id = 1",
            "ALTER TABLE orders RENAME COLUMN id TO key",
            "ALTER TABLE orders RENAME COLUMN note TO seq",
            "UPDATE orders SET number = 3 WHERE key = 1",
            "UPDATE orders SET seq = 'is not listed'",
            "ALTER TABLE orders DROP COLUMN doomed, ADD COLUMN extra int DEFAULT 7",
            "ALTER TABLE orders RENAME TO sales",
            "UPDATE sales SET number = 4 WHERE key = 1",
            "UPDATE sales SET number = 5 WHERE key = 1",
        )
        bodies = live.bodies()
    assert [body["table"]["name"] for body in bodies] == ["orders"] * 3 + ["sales"] * 2
    assert [change(body)[1:] for body in bodies] == [
        ({"id": 1, "seq": 0}, {"id": 1, "seq": 1}),
        ({"id": 1, "number": 1}, {"id": 1, "number": 2}),
        ({"key": 1, "number": 2}, {"key": 1, "number": 3}),
        ({"key": 1, "number": 3}, {"key": 1, "number": 4}),
        ({"key": 1, "number": 4}, {"key": 1, "number": 5}),
    ]


def test_a_rename_keeps_the_order_of_a_key_across_it(database: Database) -> None:
    with streaming(database, ORDERS, ordering="key") as live:
        live.run("INSERT INTO orders SELECT g FROM generate_series(1, 50) g")
        for turn in range(5):
            live.run("UPDATE orders SET seq = seq + 1")
            live.run(f"ALTER TABLE orders RENAME COLUMN note TO note{turn}")
            live.run(f"ALTER TABLE orders RENAME COLUMN note{turn} TO note")
            live.run("UPDATE orders SET seq = seq + 1")
        assert len(live.bodies()) == 50 * 11
    assert not live.endpoint.inversions


@pytest.mark.parametrize("down", [False, True], ids=["stream-up", "stream-down"])
def test_a_trigger_sees_exactly_what_commits_after_it_was_applied(
    database: Database, *, down: bool
) -> None:
    with streaming(database, ORDERS) as live:
        live.bodies()
        if down:
            live.stream.kill()
        with database.connect() as open_across, open_across.cursor() as early:
            early.execute("BEGIN")
            early.execute("INSERT INTO orders VALUES (2)")
            live.run("INSERT INTO orders VALUES (1)")
            second = live.trigger("second", definition={"insert": {"payload": ["id"]}})
            live.apply(live.trigger(ordering="total"), second)
            early.execute("INSERT INTO orders VALUES (3)")
            early.execute("COMMIT")
        live.run("INSERT INTO orders VALUES (4)")
        live.apply(live.trigger(ordering="total"))
        live.run("INSERT INTO orders VALUES (5)")
        if down:
            live.stream.start()
        live.bodies()
    assert ids(live, NAME) == [1, 2, 3, 4, 5]
    # `second` was removed before the stream had come so far: what it had not sent is archived
    assert set(ids(live, "second")) <= {2, 3, 4}
    if down:
        assert ids(live, "second") == []


@pytest.mark.parametrize("down", [False, True], ids=["stream-up", "stream-down"])
def test_a_new_trigger_gets_what_was_open_across_its_apply(
    database: Database, *, down: bool
) -> None:
    with streaming(database, ORDERS) as live:
        if down:
            live.stream.kill()
        other = database.connect()
        with other.cursor() as early:
            early.execute("BEGIN")
            early.execute("INSERT INTO orders VALUES (2)")
            live.run("INSERT INTO orders VALUES (1)")
            live.apply(live.trigger(ordering="total"), live.trigger("second", ordering="total"))
            early.execute("COMMIT")
        live.run("INSERT INTO orders VALUES (3)")
        if down:
            live.stream.start()
        live.bodies()
    assert ids(live, NAME) == [1, 2, 3]
    assert ids(live, "second") == [2, 3]


def test_a_changed_definition_counts_from_its_apply_on_also_if_the_stream_was_down(
    database: Database,
) -> None:
    with streaming(database, ORDERS) as live:
        live.bodies()
        live.stream.kill()
        live.run("INSERT INTO orders VALUES (1, 1, 'a')")
        narrowed = {"insert": {"payload": ["id"]}}
        live.apply(live.trigger(ordering="total", definition=narrowed))
        live.run("INSERT INTO orders VALUES (2, 1, 'b')", "DELETE FROM orders")
        live.stream.start()
        found = [new for _, _, new in live.changes()]
    assert found == [{"id": 1, "seq": 1, "note": "a"}, {"id": 2}]


def test_pause_parks_what_commits_from_then_on_and_resume_delivers_it_in_order(
    database: Database,
) -> None:
    with streaming(database, ORDERS, ordering="key") as live:
        live.run("INSERT INTO orders SELECT g FROM generate_series(1, 20) g")
        before = len(live.bodies())
        live.pause(paused=True)
        for _ in range(5):
            live.run("UPDATE orders SET seq = seq + 1")
        live.wait_parked(100)
        assert len(live.endpoint.bodies) == before == 20
        live.stream.kill()
        live.stream.start()
        live.run("UPDATE orders SET seq = seq + 1")
        live.wait_parked(120)
        assert len(live.endpoint.bodies) == before
        live.pause(paused=False)
        live.run("UPDATE orders SET seq = seq + 1")
        assert len(live.bodies()) == 160
    assert not live.endpoint.inversions


def test_what_a_removed_trigger_owed_is_archived_and_not_sent_when_its_name_comes_back(
    database: Database,
) -> None:
    def refuse_the_first(body: dict[str, Any], _tries: int) -> Reply:
        return Reply(status=503 if body["event"]["data"]["new"]["id"] == 1 else 200)

    spec: dict[str, Any] = {"ordering": "total", "retry_conf": FOR_EVER}
    with streaming(database, ORDERS, decide=refuse_the_first, **spec) as live:
        live.run("INSERT INTO orders VALUES (1)")
        live.wait_parked(1)
        live.run("INSERT INTO orders VALUES (2)")
        live.wait_parked(2)
        live.apply()
        live.run("INSERT INTO orders VALUES (3)")
        live.apply(live.trigger(**spec))
        live.run("INSERT INTO orders VALUES (4)")
        wait_until(lambda: len(live.endpoint.bodies) > 1, what="the new trigger delivers")
        live.stream.kill()
        live.stream.start()
        live.run("INSERT INTO orders VALUES (5)")
        wait_until(lambda: 5 in ids(live, NAME), what="it delivers after a restart")
        assert live.parked() == 2
        with live.administration() as admin:
            assert admin.status(database.slot).archived == 2
    # 4 comes twice if the kill was faster than the record of its delivery
    assert set(ids(live, NAME)) == {1, 4, 5}


def test_what_was_committed_for_a_trigger_removed_while_the_stream_was_down_is_not_sent(
    database: Database,
) -> None:
    with streaming(database, ORDERS) as live:
        live.stream.kill()
        live.run("INSERT INTO orders VALUES (1)")
        live.apply()
        live.apply(live.trigger(ordering="total"))
        live.run("INSERT INTO orders VALUES (2)")
        live.stream.start()
        live.bodies()
    assert ids(live, NAME) == [2]


def test_a_manual_invocation_arrives_with_its_payload_digit_for_digit(database: Database) -> None:
    manual = {"insert": {}, "enable_manual": True}
    with streaming(database, ORDERS, definition=manual) as live:
        with live.administration() as admin:
            event_id = admin.invoke(NAME, '{"total": 1.10, "deep": {"a": [null]}}')
        [body] = live.bodies()
    assert body["id"] == str(uuid.UUID(event_id))
    assert change(body) == ("MANUAL", None, {"total": 1.1, "deep": {"a": [None]}})
    assert b'"new":{"total": 1.10, "deep": {"a": [null]}}' in live.endpoint.raw[0]


def test_retry_after_replaces_the_interval_and_the_body_says_which_retry_it_is(
    database: Database,
) -> None:
    at: list[float] = []

    def decide(_body: dict[str, Any], tries: int) -> Reply:
        at.append(time.monotonic())
        return Reply() if tries else Reply(status=503, headers=(("Retry-After", "1"),))

    conf = {"num_retries": 3, "interval_sec": 3600}
    with streaming(database, ORDERS, decide=decide, retry_conf=conf) as live:
        live.run("INSERT INTO orders VALUES (1)")
        wait_until(lambda: len(live.endpoint.bodies) == 2, what="the second attempt")
        first, second = live.bodies()
    assert first["id"] == second["id"]
    assert first["delivery_info"] == {"current_retry": 0, "max_retries": 3}
    assert second["delivery_info"] == {"current_retry": 1, "max_retries": 3}
    assert 1 <= at[1] - at[0] < 5


def test_a_secret_from_the_environment_reaches_the_endpoint_and_stands_nowhere_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    headers = [
        {"name": "X-Secret", "value_from_env": "SHOP_SECRET"},
        {"name": "X-Bearer", "value": "Bearer {{SHOP_SECRET}}"},
    ]
    conf = {"num_retries": 1, "interval_sec": 0}
    fails = {1: 1, 2: 99}

    def decide(body: dict[str, Any], tries: int) -> Reply:
        return Reply(
            status=500 if tries < fails.get(body["event"]["data"]["new"]["id"], 0) else 200
        )

    with streaming(database, ORDERS, decide=decide, headers=headers, retry_conf=conf) as live:
        live.run("INSERT INTO orders VALUES (1), (2), (3)")
        live.bodies()
        assert live.stream.terminate() == 0
        stored = dump(database)
        said = live.stream.log
    assert [got["x-secret"] for got in live.endpoint.headers] == [SECRET] * 5
    assert [got["x-bearer"] for got in live.endpoint.headers] == [f"Bearer {SECRET}"] * 5
    assert "SHOP_SECRET" in stored, "the spec is stored as written"
    assert stored.count("X-Secret") >= 5, "attempts are stored with their headers"
    assert SECRET not in stored
    assert SECRET not in said


def test_an_environment_variable_the_stream_does_not_have_is_named_in_the_attempt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    headers = [{"name": "X-Secret", "value_from_env": "SHOP_SECRET"}]
    with streaming(database, ORDERS, headers=headers, retry_conf=FOR_EVER) as live:
        live.run("INSERT INTO orders VALUES (1)")
        live.wait_parked(1)
        live.stream.kill()
        monkeypatch.setenv("SHOP_SECRET", SECRET)
        database.execute("UPDATE cdc_triggers.delivery SET due_at = now()")
        live.stream.start()
        live.bodies()
    [(error,)] = database.execute("SELECT error FROM cdc_triggers.attempt WHERE error IS NOT NULL")
    assert "SHOP_SECRET is not set" in error
    assert ids(live, NAME) == [1]


def ids(live: Live, name: str) -> list[int]:
    """Ids of the rows that arrived for the trigger, in order of arrival."""
    bodies = [body for body in live.endpoint.bodies if body["trigger"]["name"] == name]
    return [body["event"]["data"]["new"]["id"] for body in bodies]


def dump(database: Database) -> str:
    """All rows of all tables of cdc_triggers as text."""
    tables = database.execute(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
        "WHERE schemaname = 'cdc_triggers'"
    )
    rows = [
        row for (table,) in tables for row in database.execute(f"SELECT t::text FROM {table} t")
    ]
    return "\n".join(text for (text,) in rows)


def test_a_stream_that_was_never_told_of_a_trigger_file_streams_nothing_and_stays_ready(
    database: Database,
) -> None:
    with streaming(database, ORDERS) as live:
        live.apply()
        live.run("INSERT INTO orders VALUES (1)")
        assert live.bodies() == []
        assert live.stream.is_ready()
