"""What follows from an attempt: delivered, another attempt, or dead?

The only retry policy there is. Chance is an argument.
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

_FINAL = frozenset({FailureKind.TEMPLATE})
"""Kinds after which another attempt ends the same: dead at once, and can be redelivered. All others
may pass; as in Hasura also an invalid request, once its environment variable is mended."""


class Delivered(NamedTuple):
    """Nothing more is owed."""


class Retry(NamedTuple):
    """Another attempt `delay_s` from now."""

    delay_s: float


class Dead(NamedTuple):
    """No attempt is left: kept, and can be redelivered."""


Decision = Delivered | Retry | Dead

_DELIVERED = Delivered()


def decide(conf: RetryConf, outcome: Outcome, tries: int, jitter: float) -> Decision:
    """Say what follows from an attempt.

    Args:
        conf: the trigger's; it allows `num_retries + 1` attempts.
        outcome: how the attempt ended.
        tries: attempts made so far, this one included (1 for the first).
        jitter: a random number in [0, 1); ignored if the conf turns jitter off.
    """
    if isinstance(outcome, Response) and outcome.ok:
        return _DELIVERED
    if tries > conf.num_retries:
        return Dead()
    if isinstance(outcome, Failure) and outcome.kind in _FINAL:
        return Dead()
    return Retry(_delay(conf, outcome, tries, jitter if conf.jitter else None))


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
