"""How an attempt is remembered: as JSON for people, without secrets."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from cdc_triggers.core.attempt import Failure, Recorded, Response
from cdc_triggers.core.records import AttemptRow
from cdc_triggers.core.transform_spec import RequestHeaders

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.records import TriggerRow
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.transform_spec import RequestTransform


SHORT: Final = 1024
"""Answers up to this length are described once for all that are alike: most are."""


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
        # by place: one is made for every event (see `event_of`)
        return AttemptRow(
            delivery.event.id,
            delivery.trigger_id,
            trigger.name,
            delivery.tries,
            follows,
            times.wall - took_s,
            took_s * 1000,
            outcome.status if isinstance(outcome, Response) else None,
            describe_error(outcome),
            self._request(trigger),
            describe_response(outcome),
            delivery.event.commit_lsn,
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
    headers: list[dict[str, str | None]] = [
        {"name": h.name, "value": h.value}
        if h.value is not None
        else {"name": h.name, "value_from_env": h.value_from_env}
        for h in spec.headers
    ]
    described: dict[str, object] = {"method": "POST", "url": url, "headers": headers}
    if spec.request_transform is not None:
        described |= _transformed(spec.request_transform, url, headers)
    return orjson.dumps(described).decode()


def _transformed(
    transform: RequestTransform, url: str, headers: list[dict[str, str | None]]
) -> dict[str, object]:
    """The same for a request that is transformed: templates stay templates."""
    changes = transform.request_headers or RequestHeaders()
    replaced = {name.lower() for name in (*changes.remove_headers, *changes.add_headers)}
    kept = [header for header in headers if (header["name"] or "").lower() not in replaced]
    added = [{"name": name, "value": text} for name, text in changes.add_headers.items()]
    described: dict[str, object] = {
        "method": transform.method or "POST",
        "url": transform.url or url,
        "headers": [*kept, *added],
    }
    if transform.query_params is not None:
        described["query_params"] = transform.query_params
    return described


def describe_response(outcome: Outcome) -> str | None:
    """Status, headers and body as text; None if there was no answer."""
    if isinstance(outcome, Failure):
        return None
    if outcome.recorded is None and len(outcome.body) <= SHORT:
        return _described(outcome)
    return _describe(outcome)


def _describe(outcome: Response) -> str:
    recorded = outcome.recorded or Recorded(outcome.body)
    # PostgreSQL's json takes no NUL and no lone surrogate; an endpoint may send anything
    body = recorded.body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    described = {
        "status": outcome.status,
        "headers": [{"name": name, "value": value} for name, value in outcome.headers],
        "body": body,
        "truncated": outcome.truncated,
    }
    if recorded.error is not None:
        described["transform_error"] = recorded.error
    return orjson.dumps(described).decode()


_described = lru_cache(maxsize=256)(_describe)


def describe_error(outcome: Outcome) -> str | None:
    """One line for people; None for a success."""
    if isinstance(outcome, Response):
        return None if outcome.ok else f"HTTP {outcome.status}"
    return f"{outcome.kind}: {outcome.message}".replace("\0", "")
