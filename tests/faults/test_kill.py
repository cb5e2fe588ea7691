"""The stream dies without warning: nothing is missing, order per key holds, few are repeated."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database

KEYS = 50
EVENTS = 10_000
IN_FLIGHT = 64
UNRECORDED = 5_000 // 2


def make_counters(database: Database) -> None:
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL)")


class Writer:
    """Bumps the sequence numbers of all keys, a statement per transaction, until it has enough."""

    def __init__(self, database: Database, events: int) -> None:
        self._connection = database.connect()
        self._rounds = events // KEYS - 1
        self.rounds_done = 0
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("INSERT INTO counter SELECT g, 0 FROM generate_series(1, %s) g", [KEYS])
            for _ in range(self._rounds):
                cursor.execute("UPDATE counter SET seq = seq + 1")
                self.rounds_done += 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("ordering", ["key", "none", "total"])
def test_kill_9_in_mid_load_loses_nothing_and_keeps_order(
    database: Database, ordering: str
) -> None:
    make_counters(database)
    events = EVENTS if ordering == "key" else EVENTS // 5
    with Endpoint() as endpoint:
        apply(database, trigger("counted", "counter", endpoint.url, ordering=ordering))
        writer = Writer(database, events)
        with StreamProcess(database) as stream:
            writer.start()
            kills = 4
            for kill in range(1, kills + 1):
                enough = events * kill // (kills + 2)
                wait_until(lambda: len(endpoint.bodies) > enough, 120)  # noqa: B023
                stream.kill()
                stream.start()
            writer.join()
            wait_settled(database, 120)
    [(captured,)] = database.execute("SELECT count(*) FROM cdc_triggers.event_log")
    assert captured == events
    logged = {i for (i,) in database.execute("SELECT id::text FROM cdc_triggers.event_log")}
    assert endpoint.delivered == logged
    if ordering != "none":
        assert not endpoint.inversions
    repeated = sum(endpoint.ids.values()) - events
    assert repeated <= kills * (IN_FLIGHT + UNRECORDED)


def test_a_failing_endpoint_that_recovers_gets_everything_in_order_across_a_kill(
    database: Database,
) -> None:
    make_counters(database)
    broken = threading.Event()
    broken.set()
    with Endpoint(lambda *_: Reply(status=503 if broken.is_set() else 200)) as endpoint:
        conf = {"num_retries": 1000, "interval_sec": 0, "jitter": False}
        apply(database, trigger("counted", "counter", endpoint.url, retry_conf=conf))
        with StreamProcess(database) as stream:
            writer = Writer(database, 1000)
            writer.start()
            writer.join()
            wait_until(lambda: len(endpoint.bodies) > 100, what="attempts fail")
            stream.kill()
            stream.start()
            broken.clear()
            wait_settled(database, 90)
    assert not endpoint.inversions
    assert len(endpoint.delivered) == 1000
