"""A shop whose bank refuses payments: events of every kind, and dead ones of two causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdc_triggers.http.receiver import Reply
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.live import Live

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric(20, 2), note text);
CREATE TABLE payments (id int PRIMARY KEY, method text);
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACES = "https://traces.example/trace/{trace_id}"
SECRET = "of-the-environment-3f9a"
PAYMENTS = 130


class Bank:
    """An endpoint that refuses payments until it is told otherwise."""

    up = False

    def __call__(self, body: dict[str, Any], _: int) -> Reply:
        if body["trigger"]["name"] != "payments" or self.up:
            return Reply(200)
        if body["event"]["data"]["new"]["id"] % 2:
            return Reply(503, body=b'{"why": "closed"}')
        return Reply(422)


def prepared(live: Live) -> Live:
    headers = [
        {"name": "x-bank-key", "value_from_env": "BANK_KEY"},
        {"name": "authorization", "value": "Bearer written-in-clear"},
    ]
    live.apply(
        live.trigger("orders", ordering="key"),
        live.trigger("copies", ordering="none"),
        live.trigger(
            *("payments", "payments"),
            retry_conf={"num_retries": 1, "interval_sec": 0},
            headers=headers,
            ordering="none",
        ),
    )
    live.run(
        "INSERT INTO orders SELECT n, 'new', n * 1.10, 'a note' FROM generate_series(1, 60) n",
        "UPDATE orders SET status = 'paid' WHERE id <= 3",
        f"BEGIN; SET LOCAL cdc_triggers.traceparent = '00-{TRACE}-00f067aa0ba902b7-01';"
        "UPDATE orders SET status = 'sent', total = 12345678901234567.89 WHERE id = 7; COMMIT",
        f"INSERT INTO payments SELECT n, 'card' FROM generate_series(1, {PAYMENTS}) n",
    )
    wait_until(lambda: dead(live) == PAYMENTS, what="all payments are dead")
    return live


def dead(live: Live) -> int:
    query = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'dead'"
    return int(live.database.execute(query)[0][0])


def newest(live: Live, where: str) -> str:
    query = f"SELECT id::text FROM cdc_triggers.event_log WHERE {where} ORDER BY id DESC LIMIT 1"
    return str(live.database.execute(query)[0][0])
