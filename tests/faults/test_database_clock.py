"""PostgreSQL's own clock is set back an hour: retries come when they would have come anyway.

A clock that is an hour behind and times that are an hour ahead are the same to whoever compares the
two, so here the times move: the clock is that of the machine, and others are tested on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database

ROWS = 20
WAITING = "SELECT count(*) FROM cdc_triggers.delivery WHERE due_at > now() + interval '2 s'"
SET_BACK = """
UPDATE cdc_triggers.stream SET heartbeat_at = heartbeat_at + interval '1 hour';
UPDATE cdc_triggers.delivery
   SET due_at = due_at + interval '1 hour', claimed_until = claimed_until + interval '1 hour'
"""


def refuse_once(_body: dict[str, Any], tries: int) -> Reply:
    return Reply(200 if tries else 503)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("leads", [True, False], ids=["while-it-leads", "while-none-leads"])
def test_retries_do_not_wait_an_hour_when_the_clock_of_the_database_is_set_back(
    database: Database, *, leads: bool
) -> None:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    with Endpoint(refuse_once) as endpoint:
        conf = {"num_retries": 5, "interval_sec": 8, "jitter": False}
        apply(database, trigger("patient", "orders", endpoint.url, retry_conf=conf))
        stream = StreamProcess(database)
        with stream.start():
            database.execute(f"INSERT INTO orders SELECT generate_series(1, {ROWS})")
            wait_until(
                lambda: database.execute(WAITING) == [(ROWS,)], 30, "all wait for their retry"
            )
            if leads:
                database.execute(SET_BACK)
            else:
                stream.kill()
                database.execute(SET_BACK)
                stream.start()
            wait_settled(database, 75)
            assert len(endpoint.answered) == ROWS
            assert set(endpoint.ids.values()) == {2}
            assert "stream.interrupted" not in stream.log
