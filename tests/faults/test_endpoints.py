"""Bad endpoints hurt nobody but themselves: not the healthy ones, and not the database's disk."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.streaming import (
    Endpoint,
    StreamProcess,
    apply,
    held_bytes,
    trigger,
    wait_settled,
)
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

KEYS = 20
ROUNDS = 50
EVENTS = KEYS * ROUNDS
PATIENT = {"num_retries": 100_000, "interval_sec": 0, "timeout_sec": 1, "jitter": False}
SMALL = 1024 * 1024


@pytest.fixture
def counted(database: Database) -> Database:
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL, note text)")
    database.execute(
        "INSERT INTO counter SELECT g, 0, repeat('x', 1000) FROM generate_series(1, %s) g", KEYS
    )
    return database


def bump(database: Database, rounds: int = ROUNDS) -> None:
    connection = database.connect()
    with connection.cursor() as cursor:
        for _ in range(rounds):
            cursor.execute("UPDATE counter SET seq = seq + 1")


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield int(listener.getsockname()[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.timeout(180)
def test_a_dead_and_a_hanging_endpoint_hold_up_neither_the_healthy_one_nor_the_slot(
    counted: Database,
) -> None:
    dead_port = free_port()
    with Endpoint() as healthy, contextlib.ExitStack() as hung:
        hanging_port = hung.enter_context(hanging())
        dead, hangs = (f"http://127.0.0.1:{port}" for port in (dead_port, hanging_port))
        apply(
            counted,
            trigger("healthy", "counter", healthy.url),
            trigger("dead", "counter", dead, retry_conf=PATIENT),
            trigger("hangs", "counter", hangs, retry_conf=PATIENT),
        )
        with StreamProcess(counted):
            bump(counted)
            wait_until(lambda: len(healthy.delivered) == EVENTS, 20, "the healthy one has all")
            assert not healthy.inversions
            wait_until(lambda: held_bytes(counted) < SMALL, 30, "the slot goes on")
            hung.close()
            with Endpoint(port=dead_port) as mended, Endpoint(port=hanging_port) as awake:
                wait_settled(counted, 60)
                for late in (mended, awake):
                    assert len(late.delivered) == EVENTS
                    assert not late.inversions
    assert set(healthy.ids.values()) == {1}


@pytest.mark.timeout(120)
def test_an_endpoint_that_answers_ten_megabytes_is_read_to_the_limit_and_counts_as_answered(
    counted: Database,
) -> None:
    huge = b"y" * (10 * 1024 * 1024)
    with Endpoint(lambda *_: Reply(body=huge)) as endpoint:
        apply(counted, trigger("counted", "counter", endpoint.url))
        with StreamProcess(counted):
            bump(counted, 2)
            wait_settled(counted)
    assert len(endpoint.delivered) == KEYS * 2
    assert not endpoint.inversions
    [(attempts, longest)] = counted.execute(
        "SELECT count(*), max(length(response ->> 'body')) FROM cdc_triggers.attempt "
        "WHERE outcome = 'delivered' AND status = 200"
    )
    assert attempts == KEYS * 2
    assert longest is None or longest <= 64 * 1024


@pytest.mark.timeout(120)
@pytest.mark.parametrize("client", ["pyreqwest", "httpx"])
def test_an_endpoint_that_flips_between_200_and_500_gets_everything_in_order(
    counted: Database, client: str
) -> None:
    asked = 0

    def flip(_body: dict[str, Any], _tries: int) -> Reply:
        nonlocal asked
        asked += 1
        return Reply(status=200 if asked % 3 else 500)

    with Endpoint(flip) as endpoint:
        apply(counted, trigger("counted", "counter", endpoint.url, retry_conf=PATIENT))
        with StreamProcess(counted, "--http-client", client):
            bump(counted, 15)
            wait_settled(counted, 60)
    assert len(endpoint.delivered) == KEYS * 15
    assert not endpoint.inversions


@pytest.mark.timeout(120)
def test_an_endpoint_that_refuses_for_good_ends_dead_and_the_rest_of_its_key_goes_on(
    counted: Database,
) -> None:
    def refuse_one(body: dict[str, Any], _tries: int) -> Reply:
        new = body["event"]["data"]["new"]
        return Reply(status=410 if (new["id"], new["seq"]) == (1, 3) else 200)

    with Endpoint(refuse_one) as endpoint:
        conf = {"num_retries": 2, "interval_sec": 0}
        apply(counted, trigger("counted", "counter", endpoint.url, retry_conf=conf))
        with StreamProcess(counted):
            bump(counted, 10)
            wait_settled(counted)
    dead = counted.execute("SELECT tries, (new ->> 'seq')::int FROM cdc_triggers.delivery")
    assert dead == [(3, 3)]
    assert len(endpoint.delivered) == KEYS * 10
    assert sum(endpoint.ids.values()) == KEYS * 10 + 2
    assert not endpoint.inversions
