"""The API lives beside the stream: what happens there delays no delivery and ends no stream."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from support.api import Api, serving
from support.live import NAME, Live
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.databases import Database

T = TypeVar("T")

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, note text);
CREATE TABLE held (id int PRIMARY KEY)"""
WIDE = 4_000
"""Characters in a row, so that a page of logs is as large as it may be."""

ALLOWED_S = 1.0
"""A delivery takes milliseconds; on a busy machine a multiple of that."""


@contextmanager
def calling(call: Callable[[], T]) -> Iterator[list[T]]:
    """Make a call again and again in a thread; the answers."""
    answers: list[T] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            answers.append(call())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def latencies(live: Live, first: int, count: int) -> list[float]:
    """From the capture to the arrival, of rows that are written one by one."""
    found = []
    for number in range(first, first + count):
        live.run(f"INSERT INTO orders VALUES ({number}, 'short')")
        wait_until(partial(arrived, live, number), what="the row arrives")
        body = arrived(live, number)[0]
        at = datetime.fromisoformat(body["created_at"])
        found.append(time.time() - at.astimezone(UTC).timestamp())
    return found


def arrived(live: Live, number: int) -> list[dict[str, Any]]:
    return [b for b in live.endpoint.bodies if b["event"]["data"]["new"]["id"] == number]


def test_a_call_that_waits_for_a_lock_delays_no_delivery(database: Database) -> None:
    with serving(database, TABLES) as (live, api):
        holder = database.connect()
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
            answers: list[tuple[int, dict[str, str], Any]] = []
            spec = {"table": "held", "webhook": live.endpoint.url, "insert": {"columns": "*"}}
            waiting = threading.Thread(
                target=lambda: answers.append(api.call("PUT", "/api/triggers/late", spec))
            )
            waiting.start()
            wait_until(lambda: waits_for_lock(database), what="the call waits for the lock")
            assert max(latencies(live, 1, 20)) < ALLOWED_S
            assert api.get("/api/triggers")["triggers"][0]["name"] == NAME
            assert not answers
            holder.rollback()
            waiting.join()
        assert answers[0][0] == 201, answers


def waits_for_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return database.execute(query) != [(0,)]


def test_pages_as_large_as_they_may_be_delay_no_delivery(database: Database) -> None:
    with serving(database, TABLES) as (live, api):
        live.run(
            f"INSERT INTO orders SELECT -n, repeat('x', {WIDE}) FROM generate_series(1, 1500) n"
        )
        live.bodies()
        page = {"name": NAME, "limit": 1000, "status": "processed"}
        with calling(lambda: api.metadata("pg_get_event_logs", page)) as answers:
            wait_until(lambda: answers, what="the first page is there")
            found = latencies(live, 1, 30)
        assert all(status == 200 and len(value) == 1000 for status, value in answers)
        assert max(found) < ALLOWED_S
        too_large = {"name": NAME, "limit": 1000}
        live.run("UPDATE orders SET note = note || note WHERE id < 0")
        live.bodies()
        code, _, text = api.refused("pg_get_event_logs", too_large)
        assert code == "validation-failed"
        assert "smaller limit" in text


def test_without_a_database_probes_answer_and_the_api_says_so(own_database: Database) -> None:
    with serving(own_database, TABLES) as (live, api):
        own_database.server.stop("immediate")
        wait_until(lambda: api.call("GET", "/readyz")[0] == 503, what="it is not ready")
        assert api.call("GET", "/livez")[::2] == (200, {"status": "ok"})
        status, _, value = api.call("GET", "/api/status")
        assert (status, value["code"]) == (503, "postgres-error")
        assert api.metadata("export_metadata")[0] == 500
        own_database.server.start()
        live.stream.wait_ready(60)
        assert api.get("/api/status")["stream"]["alive"] is True


def test_a_secret_in_the_environment_is_wanted_and_said_nowhere(database: Database) -> None:
    environ = {"CDC_TRIGGERS_ADMIN_SECRET": "correct horse", "CDC_TRIGGERS_SOURCE": "shop"}
    with database.connect().cursor() as cursor:
        cursor.execute(TABLES)
    with Endpoint() as endpoint:
        apply(database, trigger(NAME, "orders", endpoint.url))
        with StreamProcess(database, environ=environ) as stream:
            api = api_of_stream(stream)
            assert api.call("GET", "/livez")[0] == 200
            assert api.call("GET", "/api/status")[0] == 401
            api.headers["authorization"] = "Bearer correct horse"
            assert api.get("/api/triggers")["triggers"][0]["name"] == NAME
            assert api.done("pg_get_event_logs", {"name": NAME, "source": "shop"}) == []
            [source] = api.done("export_metadata")["sources"]
            assert source["name"] == "shop"
            assert "correct horse" not in stream.log


def api_of_stream(stream: StreamProcess) -> Api:
    return Api(stream.readyz.removesuffix("/readyz"))


def test_values_of_the_environment_are_neither_shown_nor_recorded(database: Database) -> None:
    environ = {"SHOP_KEY": "hidden-value"}
    with database.connect().cursor() as cursor:
        cursor.execute(TABLES)
    with Endpoint() as endpoint:
        keys = {"headers": [{"name": "x-key", "value_from_env": "SHOP_KEY"}]}
        apply(database, trigger(NAME, "orders", endpoint.url, **keys))
        with StreamProcess(database, environ=environ) as stream:
            api = api_of_stream(stream)
            database.execute("INSERT INTO orders VALUES (1, 'x')")
            wait_settled(database)
            assert endpoint.headers[0]["x-key"] == "hidden-value"
            wait_until(lambda: api.get("/api/status")["triggers"][0]["delivered"] == 1)
            event_id = endpoint.bodies[0]["id"]
            told = [
                api.get("/api/triggers"),
                api.get(f"/api/events/{event_id}"),
                api.done("export_metadata"),
                api.done("pg_get_event_invocation_logs", {"name": NAME}),
                api.refused(
                    "test_webhook_transform",
                    {"webhook_url": "{{SHOP_KEY}}", "body": 1, "request_transform": {}},
                ),
            ]
            assert "hidden-value" not in str(told)
            assert "hidden-value" not in stream.log


def test_whoever_applies_beside_waits_and_nothing_is_lost(database: Database) -> None:
    with serving(database, TABLES) as (live, api):
        spec = {"table": "held", "webhook": live.endpoint.url, "insert": {"columns": "*"}}
        with calling(lambda: api.call("PUT", "/api/triggers/second", spec)[0]) as answers:
            for _ in range(3):
                live.apply(live.trigger(ordering="total"))
        # 404: an apply without it came between the change and the answer that shows it
        assert set(answers) <= {200, 201, 404}
        assert api.call("PUT", "/api/triggers/second", spec)[0] in {200, 201}
        names = [each["name"] for each in api.get("/api/triggers")["triggers"]]
        assert names == ["second", NAME]


def test_two_broken_triggers_are_removed_in_a_bulk(database: Database) -> None:
    with serving(database, TABLES) as (live, api):
        live.apply(live.trigger(), live.trigger("b1", "held"), live.trigger("b2", "held"))
        live.run("DROP TABLE held")
        code, _, text = api.refused("pg_delete_event_trigger", {"name": "b1"})
        assert code == "invalid-configuration"
        assert "b2" in text
        delete = [{"type": "pg_delete_event_trigger", "args": {"name": n}} for n in ("b1", "b2")]
        assert api.done("bulk", delete) == [{"message": "success"}] * 2
