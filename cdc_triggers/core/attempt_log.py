"""How an attempt is remembered: as JSON for people, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from cdc_triggers.core.attempt import Failure, Response
from cdc_triggers.core.records import AttemptRow

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.records import TriggerRow
    from cdc_triggers.core.spec import Trigger


class Times(NamedTuple):
    """One moment on both clocks, and a random number in [0, 1) for it.

    `now` is monotonic seconds, `wall` seconds since 1970.
    """

    now: float
    wall: float
    jitter: float


class AttemptLog:
    """Makes the row of an attempt; the request's part is made once per revision."""

    def __init__(self) -> None:
        self._requests: dict[int, tuple[int, str]] = {}

    def row(
        self, delivery: Delivery, trigger: TriggerRow, outcome: Outcome, times: Times, follows: str
    ) -> AttemptRow:
        """The attempt that has just ended; `follows` is delivered, retry or dead."""
        took_s = times.now - delivery.started
        return AttemptRow(
            event_id=delivery.event.id,
            trigger_id=delivery.trigger_id,
            trigger_name=trigger.name,
            attempt=delivery.tries,
            outcome=follows,
            started_at=times.wall - took_s,
            duration_ms=took_s * 1000,
            status=outcome.status if isinstance(outcome, Response) else None,
            error=describe_error(outcome),
            request=self._request(trigger),
            response=describe_response(outcome),
            commit_lsn=delivery.event.commit_lsn,
        )

    def _request(self, trigger: TriggerRow) -> str:
        newest = trigger.revisions[0]
        known = self._requests.get(trigger.id)
        if known is None or known[0] != newest.number:
            known = self._requests[trigger.id] = newest.number, describe_request(newest.spec)
        return known[1]


def describe_request(spec: Trigger) -> str:
    """URL and headers as the spec has them: values from the environment stay names."""
    url = spec.webhook if spec.webhook is not None else f"{{{{{spec.webhook_from_env}}}}}"
    headers = [
        {"name": h.name, "value": h.value}
        if h.value is not None
        else {"name": h.name, "value_from_env": h.value_from_env}
        for h in spec.headers
    ]
    return orjson.dumps({"method": "POST", "url": url, "headers": headers}).decode()


def describe_response(outcome: Outcome) -> str | None:
    """Status, headers and body as text; None if there was no answer."""
    if isinstance(outcome, Failure):
        return None
    # PostgreSQL's json takes no NUL and no lone surrogate; an endpoint may send anything
    body = outcome.body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return orjson.dumps(
        {
            "status": outcome.status,
            "headers": [{"name": name, "value": value} for name, value in outcome.headers],
            "body": body,
            "truncated": outcome.truncated,
        }
    ).decode()


def describe_error(outcome: Outcome) -> str | None:
    """One line for people; None for a success."""
    if isinstance(outcome, Response):
        return None if outcome.ok else f"HTTP {outcome.status}"
    return f"{outcome.kind}: {outcome.message}".replace("\0", "")
