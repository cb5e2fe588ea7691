"""PostgreSQL goes away and comes back: the stream reconnects, nothing is missing, order holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.databases import Database, create
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.servers import Server

BATCHES = 20
ROWS = 100


@pytest.fixture
def private(own_server: Server) -> Iterator[Database]:
    database = create(own_server)
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL)")
    database.execute("INSERT INTO counter SELECT g, 0 FROM generate_series(1, %s) g", ROWS)
    yield database
    database.drop()


def write(database: Database, batches: int) -> None:
    for _ in range(batches):
        database.execute("UPDATE counter SET seq = seq + 1")


def terminate(database: Database, kind: str) -> None:
    """End the stream's sessions of one kind."""
    assert database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
        "AND backend_type = %s AND application_name LIKE 'cdc-triggers%%' "
        "AND pid <> pg_backend_pid()",
        *(database.name, kind),
    )


def cut_walsender(database: Database) -> None:
    terminate(database, "walsender")


def cut_sql(database: Database) -> None:
    terminate(database, "client backend")


def restart_fast(database: Database) -> None:
    database.server.restart("fast")


def crash(database: Database) -> None:
    database.server.restart("immediate")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", [cut_walsender, cut_sql, restart_fast, crash])
def test_the_stream_survives(private: Database, fault: Callable[[Database], None]) -> None:
    with Endpoint() as endpoint:
        apply(private, trigger("counted", "counter", endpoint.url))
        with StreamProcess(private) as stream:
            for round_ in range(3):
                write(private, BATCHES)
                wait_until(lambda: len(endpoint.bodies) > ROWS * BATCHES * round_, 60)  # noqa: B023
                fault(private)
            write(private, BATCHES)
            wait_until(stream.is_ready, 40)
            wait_settled(private, 90)
    assert len(endpoint.delivered) == ROWS * BATCHES * 4
    assert not endpoint.inversions


@pytest.mark.timeout(120)
def test_a_stream_with_a_hanging_endpoint_does_not_hold_up_a_fast_shutdown(
    private: Database,
) -> None:
    with Endpoint(lambda *_: Reply(delay_s=60)) as endpoint:
        apply(private, trigger("counted", "counter", endpoint.url))
        with StreamProcess(private):
            write(private, 1)
            wait_until(lambda: endpoint.bodies, what="an attempt runs")
            began = time.monotonic()
            private.server.stop("fast")
            took = time.monotonic() - began
            private.server.start()
    assert took < 15
