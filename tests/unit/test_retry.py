from __future__ import annotations

import pytest

from cdc_triggers.core.attempt import Failure, FailureKind, Response
from cdc_triggers.core.retry import Dead, Decision, Delivered, Retry, decide, retry_after
from cdc_triggers.core.spec import Backoff, RetryConf

DOWN = Response(503, (), b"")


def conf(**keys: object) -> RetryConf:
    return RetryConf.model_validate({"num_retries": 3, "interval_sec": 10, **keys})


def delay(decision: Decision) -> float:
    assert isinstance(decision, Retry)
    return decision.delay_s


def asking(value: str, status: int = 503, name: str = "retry-after") -> Response:
    return Response(status, ((name, value),), b"")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_delivered_whatever_the_number_of_tries(status: int) -> None:
    outcome = Response(status, (), b"")
    assert decide(conf(), outcome, 1, jitter=0) == Delivered()
    assert decide(conf(), outcome, 99, jitter=0) == Delivered()


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500, 503])
def test_every_other_status_is_retried(status: int) -> None:
    assert delay(decide(conf(), Response(status, (), b""), 1, jitter=0)) == 10


def test_a_template_that_fails_is_dead_at_once() -> None:
    assert decide(conf(), Failure(FailureKind.TEMPLATE, ""), 1, jitter=0) == Dead()


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind != FailureKind.TEMPLATE])
def test_every_other_kind_of_failure_follows_the_retry_conf(kind: FailureKind) -> None:
    assert delay(decide(conf(), Failure(kind, ""), 1, jitter=0)) == 10


def test_there_are_num_retries_plus_one_attempts() -> None:
    ends = [decide(conf(), DOWN, tries, jitter=0) for tries in range(1, 5)]
    assert [type(end) for end in ends] == [Retry, Retry, Retry, Dead]


def test_without_retries_the_first_failure_is_the_last() -> None:
    assert decide(conf(num_retries=0), DOWN, 1, jitter=0) == Dead()
    assert decide(conf(num_retries=0), asking("5"), 1, jitter=0) == Dead()


def test_a_constant_interval_never_comes_early_and_at_most_a_tenth_late() -> None:
    assert delay(decide(conf(), DOWN, 3, jitter=0.0)) == 10
    assert delay(decide(conf(), DOWN, 3, jitter=0.5)) == pytest.approx(10.5)


def test_a_constant_interval_is_not_cut_by_the_limit_of_a_growing_one() -> None:
    assert delay(decide(conf(interval_sec=7200), DOWN, 1, jitter=0)) == 7200


def test_an_exponential_interval_doubles_up_to_its_limit() -> None:
    rule = conf(num_retries=99, backoff=Backoff.EXPONENTIAL, max_interval_sec=60)
    delays = [delay(decide(rule, DOWN, tries, jitter=0.5)) for tries in range(1, 6)]
    assert delays == [10, 20, 40, 60, 60]


def test_an_exponential_interval_is_spread_to_both_sides() -> None:
    rule = conf(backoff=Backoff.EXPONENTIAL)
    assert delay(decide(rule, DOWN, 1, jitter=0.0)) == pytest.approx(9.0)
    assert delay(decide(rule, DOWN, 1, jitter=0.75)) == pytest.approx(10.5)


def test_jitter_can_be_turned_off() -> None:
    for backoff in Backoff:
        rule = conf(jitter=False, backoff=backoff)
        assert delay(decide(rule, DOWN, 1, jitter=0.9)) == 10


@pytest.mark.parametrize("name", ["retry-after", "Retry-After"])
def test_retry_after_replaces_the_interval(name: str) -> None:
    assert delay(decide(conf(), asking("3", name=name), 1, jitter=0)) == 3
    assert delay(decide(conf(), asking("300", 404, name), 1, jitter=0)) == 300


def test_retry_after_stays_within_num_retries() -> None:
    assert decide(conf(), asking("3"), 4, jitter=0) == Dead()


def test_retry_after_is_cut_at_a_day_or_at_a_longer_limit() -> None:
    assert delay(decide(conf(), asking("999999"), 1, jitter=0.9)) == 86_400
    rule = conf(max_interval_sec=200_000)
    assert delay(decide(rule, asking("999999"), 1, jitter=0.9)) == 200_000


@pytest.mark.parametrize(
    "value",
    ["0", "-5", "1.5", "", "soon", "٣", "9" * 5000, "Wed, 21 Oct 2026 07:28:00 GMT"],
)
def test_anything_but_a_positive_whole_number_is_ignored(value: str) -> None:
    assert retry_after(asking(value)) is None
    assert delay(decide(conf(), asking(value), 1, jitter=0)) == 10


def test_retry_after_on_2xx_means_nothing() -> None:
    assert retry_after(asking("5", 200)) is None
