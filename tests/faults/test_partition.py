"""The leader is cut off from PostgreSQL, and must stop before the standby starts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.modes import OTHER_MODES
from support.pairs import KEYS, LEASE_S, Pair, judge, pair
from support.proxy import Proxy
from support.streaming import wait_settled
from support.visits import Visited
from support.waiting import wait_until
from support.witness import Mode, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.databases import Database
    from support.matrix import Matrix

ANSWER_S = 0.25
SLACK_S = 0.5
"""What a busy machine may need from the decision to send until the request is here."""
END = "SELECT pg_terminate_backend(%s)"


def cut(proxy: Proxy, _: Pair) -> None:
    """Connections are reset, new ones refused."""
    proxy.stop()


def silence(proxy: Proxy, _: Pair) -> None:
    """Nothing passes, and nobody is told."""
    proxy.go_deaf()


def silence_and_end(proxy: Proxy, streams: Pair) -> None:
    """As before, and PostgreSQL ends the leader's sessions, which the leader cannot hear.

    So does a server that notices the silence sooner than a lease, and one that restarts.
    """
    proxy.go_deaf()
    database = streams.database
    [(sql, reader)] = database.execute(
        "SELECT s.backend_pid, r.active_pid FROM cdc_triggers.stream s "
        "JOIN pg_replication_slots r USING (slot_name)"
    )
    for pid in (sql, reader):
        database.execute(END, pid)


def partitioned(
    database: Database,
    matrix: Matrix,
    mode: Mode,
    words: str,
    partition: Callable[[Proxy, Pair], None],
) -> None:
    """A leader with more queued than it can send in a lease is cut off, and comes back."""
    load = Load(database, 1_000, keys=KEYS)
    with (
        Visited() as endpoint,
        Proxy(database.server.host, database.server.port) as proxy,
        pair(database, endpoint, mode, proxy=proxy) as streams,
    ):
        endpoint.delay_s = ANSWER_S
        with Witness(database, [endpoint], streams.one, streams.two) as witness:
            with load:
                pass
            wait_until(lambda: len(endpoint.answered) > 2 * KEYS)
            at = time.monotonic()
            partition(proxy, streams)
            streams.wait_taken_over()
            endpoint.delay_s = 0.02
            wait_settled(database)
            leader = streams.leadership()
            proxy.start()
            proxy.hear()
            streams.wait_replaced()
            database.execute("UPDATE counter SET seq = seq + 1")
            wait_settled(database)
            assert streams.leadership() == leader
            assert not endpoint.by("one", since=at + LEASE_S + SLACK_S), "sent after its lease"
    verdict = judge(matrix, words, mode, witness, endpoint)
    # All that it sent in the last seconds of its lease is sent again: none of it was recorded.
    verdict.check(duplicates=verdict.events)


@pytest.mark.whole
@pytest.mark.timeout(180)
def test_a_leader_whose_connections_go_silent_and_are_ended_out_of_its_hearing_gives_way_in_time(
    database: Database, matrix: Matrix
) -> None:
    partitioned(database, matrix, Mode(), ENDED, silence_and_end)


ENDED = "the active one hears nothing, PostgreSQL ends its sessions"


@pytest.mark.whole
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("words", "partition"),
    [
        ("the active one is cut off from PostgreSQL", cut),
        ("the active one hears nothing from PostgreSQL", silence),
    ],
    ids=["cut", "silent"],
)
def test_a_leader_that_is_cut_off_gives_way(
    database: Database,
    matrix: Matrix,
    words: str,
    partition: Callable[[Proxy, Pair], None],
) -> None:
    partitioned(database, matrix, Mode(), words, partition)


@pytest.mark.whole
@pytest.mark.servers("system")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", OTHER_MODES, ids=str)
@pytest.mark.usefixtures("wal2json")
def test_a_leader_that_is_cut_off_gives_way_whatever_the_order_and_the_plugin(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    partitioned(database, matrix, mode, ENDED, silence_and_end)
