"""Two streams on one slot: one leads, the other takes over within seconds."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database


def bump(database: Database, times: int = 1) -> None:
    for _ in range(times):
        database.execute("UPDATE counter SET seq = seq + 1")


@pytest.fixture
def counted(database: Database) -> Database:
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL)")
    database.execute("INSERT INTO counter SELECT g, 0 FROM generate_series(1, 20) g")
    return database


@pytest.mark.timeout(120)
def test_a_standby_takes_over_when_the_leader_is_killed(counted: Database) -> None:
    with Endpoint() as endpoint:
        apply(counted, trigger("counted", "counter", endpoint.url))
        with StreamProcess(counted) as leader, StreamProcess(counted).start(wait=False) as standby:
            wait_until(lambda: "stream.standby" in standby.log, what="the second one stands by")
            assert not standby.is_ready()
            bump(counted)
            wait_until(lambda: len(endpoint.delivered) == 20)
            leader.kill()
            bump(counted)
            wait_until(standby.is_ready, 15, "the standby leads")
            wait_settled(counted)
            assert standby.terminate() == 0
    assert len(endpoint.delivered) == 40
    assert not endpoint.inversions


@pytest.mark.timeout(180)
def test_a_leader_that_froze_for_longer_than_its_lease_sends_nothing_when_it_wakes(
    counted: Database,
) -> None:
    with Endpoint() as endpoint:
        apply(counted, trigger("counted", "counter", endpoint.url))
        with StreamProcess(counted) as frozen, StreamProcess(counted).start(wait=False) as standby:
            wait_until(lambda: "stream.standby" in standby.log, what="the second one stands by")
            bump(counted)
            wait_settled(counted)
            os.kill(frozen.pid, signal.SIGSTOP)
            try:
                bump(counted, 5)
                wait_until(standby.is_ready, 40, "the standby leads")
                wait_settled(counted)
            finally:
                os.kill(frozen.pid, signal.SIGCONT)
            wait_until(lambda: "stream.interrupted" in frozen.log, what="it notices")
            bump(counted, 5)
            wait_settled(counted)
            assert not frozen.is_ready()
    assert not endpoint.inversions
    assert set(endpoint.ids.values()) == {1}
    assert len(endpoint.delivered) == 20 * 11


@pytest.mark.timeout(120)
def test_sigterm_parks_what_hangs_confirms_and_ends_with_0(counted: Database) -> None:
    with Endpoint(lambda *_: Reply(delay_s=30)) as endpoint:
        apply(counted, trigger("counted", "counter", endpoint.url))
        with StreamProcess(counted, "--drain-timeout", "1") as stream:
            bump(counted, 10)
            wait_until(lambda: endpoint.bodies, what="an attempt runs")
            assert stream.terminate() == 0
    [(parked,)] = counted.execute("SELECT count(*) FROM cdc_triggers.delivery")
    assert parked >= 20, "what was read is written down"
    with Endpoint() as mended:
        apply(counted, trigger("counted", "counter", mended.url))
        with StreamProcess(counted):
            wait_settled(counted)
    assert not mended.inversions
    assert len(mended.delivered) == 200
