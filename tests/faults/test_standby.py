"""Two streams on one slot: one leads, the other takes over; never two senders for one key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.modes import OTHER_MODES
from support.pairs import (
    GROUP,
    IN_FLIGHT,
    KEYS,
    LEASE_S,
    UNRECORDED,
    frozen,
    judge,
    pair,
)
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.visits import Visited
from support.waiting import wait_until
from support.witness import Mode, Witness

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix


def killed(database: Database, matrix: Matrix, mode: Mode) -> None:
    load = Load(database, matrix.scale(1_500, 3_000), keys=KEYS, per_second=500)
    with Visited() as endpoint:
        endpoint.delay_s = 0.005 if mode.ordering == "total" else 0.02
        with (
            pair(database, endpoint, mode) as streams,
            Witness(database, [endpoint], streams.one, streams.two) as witness,
        ):
            with load:
                wait_until(lambda: len(endpoint.answered) > 500)
                streams.one.kill()
                at = time.monotonic()
                streams.wait_taken_over()
            wait_settled(database)
            assert not endpoint.by("one", since=at + 1)
            assert streams.two.terminate() == 0
    verdict = judge(matrix, "the active one is killed", mode, witness, endpoint)
    verdict.check(duplicates=IN_FLIGHT + UNRECORDED)


@pytest.mark.timeout(120)
def test_a_standby_takes_over_when_the_leader_is_killed(database: Database, matrix: Matrix) -> None:
    killed(database, matrix, Mode())


@pytest.mark.whole
@pytest.mark.servers("system")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", OTHER_MODES, ids=str)
@pytest.mark.usefixtures("wal2json")
def test_a_standby_takes_over_whatever_the_order_and_the_plugin(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    killed(database, matrix, mode)


def froze(database: Database, matrix: Matrix, mode: Mode) -> None:
    """With attempts in flight and a queue behind them."""
    load = Load(database, 900, keys=KEYS)
    with Visited() as endpoint:
        endpoint.delay_s = 0.25
        with (
            pair(database, endpoint, mode) as streams,
            Witness(database, [endpoint], streams.one, streams.two) as witness,
        ):
            with load:
                pass
            wait_until(lambda: len(endpoint.answered) > 2 * KEYS)
            endpoint.delay_s = 3.0
            most = {"key": KEYS, "total": 1, "none": IN_FLIGHT}[mode.ordering]
            wait_until(lambda: endpoint.under_way() == most, what="no request is about to leave")
            with frozen(streams.one):
                at = time.monotonic()
                endpoint.delay_s = 0.02
                streams.wait_taken_over()
                wait_settled(database)
                leader = streams.leadership()
            streams.wait_replaced()
            database.execute("UPDATE counter SET seq = seq + 1")
            wait_settled(database)
            assert not streams.one.is_ready()
            assert streams.leadership() == leader
            assert not endpoint.by("one", since=at + 1), "the woken one sent"
    verdict = judge(matrix, "the active one freezes past its lease", mode, witness, endpoint)
    verdict.check(duplicates=IN_FLIGHT + UNRECORDED)


@pytest.mark.timeout(180)
def test_a_leader_that_froze_for_longer_than_its_lease_sends_and_confirms_nothing_when_it_wakes(
    database: Database, matrix: Matrix
) -> None:
    froze(database, matrix, Mode())


@pytest.mark.whole
@pytest.mark.servers("system")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", OTHER_MODES, ids=str)
@pytest.mark.usefixtures("wal2json")
def test_a_woken_leader_sends_and_confirms_nothing_whatever_the_order_and_the_plugin(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    froze(database, matrix, mode)


@pytest.mark.whole
@pytest.mark.timeout(180)
def test_a_request_that_had_left_before_the_freeze_may_still_run_and_is_only_ever_a_repeat(
    database: Database, matrix: Matrix
) -> None:
    load = Load(database, 400, keys=KEYS)
    with Visited() as endpoint, pair(database, endpoint, Mode()) as streams:
        endpoint.delay_s = LEASE_S * 2.5
        with Witness(database, [endpoint], streams.one, streams.two) as witness:
            with load:
                pass
            wait_until(lambda: len(endpoint.visits) == KEYS, what="all lanes are in flight")
            with frozen(streams.one):
                at = time.monotonic()
                endpoint.delay_s = 0.02
                streams.wait_taken_over()
                wait_settled(database)
            streams.wait_replaced()
            database.execute("UPDATE counter SET seq = seq + 1")
            wait_settled(database)
    again = {v.event_id for v in endpoint.by("two")}
    overlaps = endpoint.overlaps()
    assert overlaps, "the answers took longer than the lease"
    for former, _ in overlaps:
        assert (former.stream, former.event_id in again) == ("one", True)
        assert former.began < at
    assert not endpoint.returns()
    verdict = witness.verdict()
    matrix.add(GROUP, "frozen past its lease while requests run for longer", Mode(), verdict)
    verdict.check(duplicates=KEYS)


def handed_over(database: Database, matrix: Matrix, mode: Mode) -> None:
    load = Load(database, matrix.scale(1_500, 3_000), keys=KEYS, per_second=500)
    with Visited() as endpoint:
        endpoint.delay_s = 0.02
        with (
            pair(database, endpoint, mode) as streams,
            Witness(database, [endpoint], streams.one, streams.two) as witness,
        ):
            with load:
                wait_until(lambda: len(endpoint.answered) > 500)
                assert streams.one.terminate() == 0
                at = time.monotonic()
                streams.wait_taken_over()
                assert time.monotonic() - at < LEASE_S / 2, "the lease was given up"
            wait_settled(database)
    verdict = judge(matrix, "the active one is told to stop", mode, witness, endpoint)
    verdict.check()


@pytest.mark.timeout(120)
def test_a_leader_that_is_told_to_stop_hands_over_within_seconds_and_nothing_comes_twice(
    database: Database, matrix: Matrix
) -> None:
    handed_over(database, matrix, Mode())


@pytest.mark.timeout(120)
def test_sigterm_parks_what_hangs_confirms_and_ends_with_0(
    database: Database, matrix: Matrix
) -> None:
    load = Load(database, 200, keys=KEYS)
    slow = True
    with Endpoint(lambda *_: Reply(delay_s=30 if slow else 0)) as endpoint:
        apply(database, trigger("counted", "counter", endpoint.url))
        stream = StreamProcess(database, "--drain-timeout", "1").start()
        with stream, Witness(database, [endpoint], stream) as witness:
            with load:
                pass
            wait_until(lambda: endpoint.bodies, what="an attempt runs")
            assert stream.terminate() == 0
            [(parked,)] = database.execute("SELECT count(*) FROM cdc_triggers.delivery")
            assert parked >= KEYS, "what was read is written down"
            slow = False
            stream.start()
            wait_settled(database)
    verdict = witness.verdict()
    matrix.add(GROUP, "told to stop while the endpoint hangs", Mode(), verdict)
    # the endpoint counts a request as answered when it arrives
    verdict.check(duplicates=IN_FLIGHT)
