"""What follows from an attempt: delivered, another attempt, or dead?

The only retry policy there is. Time and chance are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Response
from cdc_triggers.core.spec import Backoff

if TYPE_CHECKING:
    from cdc_triggers.core.spec import RetryConf

JITTER = 0.1
"""Share of an interval by which attempts are spread, so that they don't return in one wave."""

RETRY_AFTER_LIMIT_S = 86_400
"""An endpoint may ask for a day of rest; for more only if `max_interval_sec` allows more."""

MAX_DOUBLINGS = 62
"""Far above every cap, and still a small integer."""


class Policy(NamedTuple):
    """What a kind of failure means.

    Attributes:
        retry: another attempt can end differently.
        advice: the next step for the person who reads the attempt.
    """

    retry: bool
    advice: str


POLICIES: dict[FailureKind, Policy] = {
    FailureKind.CONNECT: Policy(
        retry=True, advice="check that the endpoint runs and is reachable from here"
    ),
    FailureKind.DNS: Policy(retry=True, advice="check the host name in the webhook"),
    FailureKind.TLS: Policy(
        retry=True,
        advice="check the endpoint's certificate; a CA of your own goes into SSL_CERT_FILE",
    ),
    FailureKind.TIMEOUT: Policy(
        retry=True, advice="make the endpoint answer sooner, or raise timeout_sec"
    ),
    FailureKind.PROTOCOL: Policy(
        retry=True, advice="check that the endpoint speaks HTTP/1.1 and ends its answers"
    ),
    # As in Hasura: an environment variable mended between two attempts makes it valid.
    FailureKind.INVALID_REQUEST: Policy(
        retry=True, advice="correct the webhook's URL or its headers"
    ),
    # The same template on the same event ends the same: dead at once, and can be redelivered.
    FailureKind.TEMPLATE: Policy(
        retry=False,
        advice="try it with `cdc-triggers transform test --event`, correct it, apply, redeliver",
    ),
}
"""The one table of kinds."""


class Delivered(NamedTuple):
    """Nothing more is owed."""


class Retry(NamedTuple):
    """Another attempt `delay_s` from now, which is at `due_at` on the clock that gave `now`."""

    delay_s: float
    due_at: float


class Dead(NamedTuple):
    """No attempt is left: kept, and can be redelivered."""


Decision = Delivered | Retry | Dead

_DELIVERED = Delivered()


def decide(conf: RetryConf, outcome: Outcome, tries: int, *, now: float, jitter: float) -> Decision:
    """Say what follows from an attempt.

    Args:
        conf: the trigger's; it allows `num_retries + 1` attempts.
        outcome: how the attempt ended.
        tries: attempts made so far, this one included (1 for the first).
        now: seconds on any clock; `Retry.due_at` is on the same.
        jitter: a random number in [0, 1); ignored if the conf turns jitter off.
    """
    if isinstance(outcome, Response) and outcome.ok:
        return _DELIVERED
    if tries > conf.num_retries:
        return Dead()
    if isinstance(outcome, Failure) and not POLICIES[outcome.kind].retry:
        return Dead()
    delay = _delay(conf, outcome, tries, jitter if conf.jitter else None)
    return Retry(delay, now + delay)


def _delay(conf: RetryConf, outcome: Outcome, tries: int, jitter: float | None) -> float:
    later = 1.0 if jitter is None else 1.0 + JITTER * jitter
    asked = retry_after(outcome)
    if asked is not None:
        return min(asked * later, max(conf.max_interval_sec, RETRY_AFTER_LIMIT_S))
    if conf.backoff is Backoff.CONSTANT:
        # Never sooner than the interval that the user wrote: chance only adds.
        return conf.interval_sec * later
    limit = max(conf.max_interval_sec, conf.interval_sec)
    doubled = conf.interval_sec * 2 ** min(tries - 1, MAX_DOUBLINGS)
    around = 1.0 if jitter is None else 1.0 + JITTER * (2 * jitter - 1)
    return float(min(min(doubled, limit) * around, limit))


def retry_after(outcome: Outcome) -> int | None:
    """Seconds that the endpoint asked to wait: a positive integer on an answer that is not 2xx.

    An HTTP date is ignored, as in Hasura: it would need both clocks to agree.
    """
    if isinstance(outcome, Failure) or outcome.ok:
        return None
    for name, value in outcome.headers:
        if name.lower() == "retry-after":
            text = value.strip()
            # Twelve digits are more than any cap; int() of a long text is slow.
            if not (text.isascii() and text.isdigit() and len(text) <= 12):  # noqa: PLR2004
                return None
            return int(text) or None
    return None
