from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Response
from cdc_triggers.core.retry import RETRY_AFTER_LIMIT_S, Dead, Delivered, Retry, decide
from cdc_triggers.core.spec import Backoff, RetryConf

confs = st.builds(
    RetryConf,
    num_retries=st.integers(0, 10**9),
    interval_sec=st.integers(0, 10**7),
    timeout_sec=st.just(60),
    backoff=st.sampled_from(Backoff),
    max_interval_sec=st.integers(1, 10**7),
    jitter=st.booleans(),
)
responses = st.builds(
    Response,
    status=st.integers(100, 599),
    headers=st.tuples(st.tuples(st.sampled_from(["retry-after", "x"]), st.text(max_size=8)))
    | st.integers(-5, 10**9).map(lambda n: (("Retry-After", str(n)),)),
    body=st.just(b""),
)
outcomes: st.SearchStrategy[Outcome] = responses | st.builds(
    Failure, kind=st.sampled_from(FailureKind), message=st.just("")
)
chances = st.floats(0, 1, exclude_max=True)
tries_made = st.integers(1, 2 * 10**9)


@given(confs, outcomes, tries_made, chances)
def test_delivered_iff_2xx_and_dead_iff_no_attempt_is_left_or_can_help(
    conf: RetryConf, outcome: Outcome, tries: int, jitter: float
) -> None:
    decision = decide(conf, outcome, tries, jitter=jitter)
    ok = isinstance(outcome, Response) and outcome.ok
    assert isinstance(decision, Delivered) is ok
    hopeless = isinstance(outcome, Failure) and outcome.kind is FailureKind.TEMPLATE
    assert isinstance(decision, Dead) is (not ok and (hopeless or tries > conf.num_retries))


@given(confs, outcomes, tries_made, chances)
def test_every_delay_is_finite_not_negative_and_bounded(
    conf: RetryConf, outcome: Outcome, tries: int, jitter: float
) -> None:
    decision = decide(conf, outcome, tries, jitter=jitter)
    if isinstance(decision, Retry):
        limit = max(conf.max_interval_sec, conf.interval_sec * 1.1, RETRY_AFTER_LIMIT_S)
        assert 0 <= decision.delay_s <= limit


@given(confs, st.integers(1, 50), chances)
def test_a_constant_interval_never_comes_early(conf: RetryConf, tries: int, jitter: float) -> None:
    rule = conf.model_copy(update={"backoff": Backoff.CONSTANT, "num_retries": 99})
    decision = decide(rule, Failure(FailureKind.DNS, ""), tries, jitter=jitter)
    assert isinstance(decision, Retry)
    assert rule.interval_sec <= decision.delay_s <= rule.interval_sec * 1.1


@given(confs, st.integers(1, 200), chances)
def test_an_exponential_interval_never_shrinks(conf: RetryConf, tries: int, jitter: float) -> None:
    rule = conf.model_copy(update={"backoff": Backoff.EXPONENTIAL, "num_retries": 999})
    failure = Failure(FailureKind.TIMEOUT, "")
    first = decide(rule, failure, tries, jitter=jitter)
    second = decide(rule, failure, tries + 1, jitter=jitter)
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert first.delay_s <= second.delay_s
