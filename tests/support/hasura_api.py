"""What the tests of Hasura's API have in common: tables, arguments, rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdc_triggers.http.receiver import Reply
from support.live import NAME
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.live import Live

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric);
CREATE TABLE shipped (id int PRIMARY KEY)"""
EVERYTHING = {"insert": {}, "update": {}, "delete": {}, "enable_manual": True}
SUCCESS = {"message": "success"}


def decide(body: dict[str, Any], seen: int) -> Reply:
    """Rows with this status never arrive."""
    del seen
    new = body["event"]["data"]["new"] or {}
    return Reply(500 if new.get("status") == "refused" else 200, (), b'{"got": 1}')


def definition(live: Live, name: str = "second", **keys: Any) -> dict[str, Any]:
    """Arguments as Hasura's console sends them."""
    return {
        "name": name,
        "table": {"name": "orders", "schema": "public"},
        "source": "default",
        "webhook": live.endpoint.url,
        "webhook_from_env": None,
        "insert": {"columns": "*"},
        "update": None,
        "delete": None,
        "headers": [],
        "retry_conf": {"num_retries": 0, "interval_sec": 10, "timeout_sec": 60},
        "replace": False,
        "request_transform": None,
        **keys,
    }


def insert(live: Live, number: int, status: str = "new") -> str:
    """A row; the id of its event for the first trigger, which is settled."""
    live.run(f"INSERT INTO orders VALUES ({number}, '{status}', {number}.10)")

    def arrived() -> list[dict[str, Any]]:
        return [
            body
            for body in live.endpoint.bodies
            if body["trigger"]["name"] == NAME
            and (body["event"]["data"]["new"] or {}).get("id") == number
        ]

    wait_until(arrived, what="the row arrives")
    wait_recorded(live, arrived()[0]["id"])
    return str(arrived()[0]["id"])


def wait_recorded(live: Live, event_id: str) -> None:
    query = "SELECT count(*) FROM cdc_triggers.attempt WHERE event_id = %s"
    wait_until(
        lambda: live.database.execute(query, event_id) != [(0,)], what="the attempt is recorded"
    )
