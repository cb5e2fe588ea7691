"""What is out of reach is tried seldom, however many ask; and any answer ends that at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc_triggers.core.attempt import Failure, FailureKind, Response
from cdc_triggers.core.reach import MISSES, TRIALS, TRIALS_S, Reach, Trials

REFUSED = Failure(FailureKind.CONNECT, "connection refused")
MISSED = [FailureKind.CONNECT, FailureKind.DNS, FailureKind.TLS]
UNKNOWN = [FailureKind.TIMEOUT, FailureKind.INVALID_REQUEST, FailureKind.TEMPLATE]


def lost(misses: int = MISSES) -> Reach:
    reach = Reach()
    for _ in range(misses):
        reach.ended(REFUSED)
    return reach


@settings(derandomize=True, deadline=None)
@given(pauses=st.lists(st.floats(0, 1), max_size=200))
def test_trials_keep_to_their_rate_over_any_time(pauses: list[float]) -> None:
    trials, now = Trials(), 1_000.0
    granted: list[float] = []
    for pause in pauses:
        now += pause
        while trials.grant(now):
            granted.append(now)
        for first, began in enumerate(granted):
            assert len(granted) - first <= TRIALS + (now - began) * TRIALS_S + 1e-6


def test_after_a_rest_there_are_a_few_trials_at_once_and_then_one_by_one() -> None:
    trials = Trials()
    assert [trials.grant(500.0) for _ in range(12)] == [True] * int(TRIALS) + [False] * 2
    assert not trials.grant(500.0 + 0.5 / TRIALS_S)
    assert trials.grant(500.0 + 1.5 / TRIALS_S)


def test_an_endpoint_is_out_of_reach_when_many_attempts_in_a_row_did_not_get_there() -> None:
    assert not lost(MISSES - 1).lost
    assert lost().lost


@pytest.mark.parametrize("status", [200, 301, 404, 500])
def test_any_answer_says_that_it_is_there(status: int) -> None:
    reach = lost()
    reach.ended(Response(status, (), b""))
    assert not reach.lost


def test_an_answer_that_is_not_http_says_so_too() -> None:
    reach = lost()
    reach.ended(Failure(FailureKind.PROTOCOL, "the answer is not HTTP"))
    assert not reach.lost


@pytest.mark.parametrize("kind", MISSED)
def test_what_did_not_get_there_counts(kind: FailureKind) -> None:
    reach = lost(MISSES - 1)
    reach.ended(Failure(kind, ""))
    assert reach.lost


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_says_nothing_about_the_endpoint_changes_nothing(kind: FailureKind) -> None:
    reach = lost(MISSES - 1)
    reach.ended(Failure(kind, ""))
    assert not reach.lost
    reach.ended(REFUSED)
    reach.ended(Failure(kind, ""))
    assert reach.lost
