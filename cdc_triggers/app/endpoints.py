"""Does a trigger's endpoint work? Said when that changes, not once per event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.attempt_log import describe_error
from cdc_triggers.core.lsn import show

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.ports import Telemetry
    from cdc_triggers.tracing import Span

QUIET_S = 30.0
"""Without a failure for so long, an endpoint that answers with 2xx has recovered. So one that fails
now and then makes two lines in this time at most."""


class _Trouble:
    """Since an endpoint fails; monotonic seconds."""

    __slots__ = ("answers", "dead", "failures", "last", "since")

    def __init__(self, now: float) -> None:
        self.since = self.last = now
        self.failures = self.dead = 0
        self.answers = False


class Endpoints:
    """Watches how attempts end."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._troubled: dict[str, _Trouble] = {}

    @property
    def failing(self) -> frozenset[str]:
        """The triggers whose endpoints fail."""
        return frozenset(self._troubled)

    def delivered(self, trigger: str, now: float) -> None:
        """A 2xx came."""
        if self._troubled and (trouble := self._troubled.get(trigger)) is not None:
            trouble.answers = True
            self._recover(trigger, trouble, now)

    def failed(
        self, trigger: str, delivery: Delivery, outcome: Outcome, span: Span | None, now: float
    ) -> None:
        """An attempt failed, the `delivery.tries`th of its delivery; `span` is its own."""
        trouble = self._troubled.get(trigger)
        if trouble is None:
            trouble = self._troubled[trigger] = _Trouble(now)
            self._telemetry.fact(
                "warning",
                "endpoint.failing",
                trigger=trigger,
                event_id=delivery.event.id,
                attempt=delivery.tries,
                lsn=show(delivery.event.commit_lsn),
                error=describe_error(outcome),
                trace_id="" if span is None else span.trace_id,
                span_id=span.process_id if span is not None and span.sampled else "",
            )
        trouble.failures += 1
        trouble.last = now
        trouble.answers = False

    def died(self, trigger: str) -> None:
        """It was the last attempt that the delivery had."""
        if (trouble := self._troubled.get(trigger)) is not None:
            trouble.dead += 1

    def tick(self, now: float) -> None:
        """Let time pass."""
        for trigger, trouble in list(self._troubled.items()):
            self._recover(trigger, trouble, now)

    def keep(self, triggers: frozenset[str]) -> None:
        """Forget those that are not applied any more."""
        for trigger in self._troubled.keys() - triggers:
            del self._troubled[trigger]

    def _recover(self, trigger: str, trouble: _Trouble, now: float) -> None:
        if not trouble.answers or now - trouble.last < QUIET_S:
            return
        del self._troubled[trigger]
        self._telemetry.fact(
            "info",
            "endpoint.recovered",
            trigger=trigger,
            failures=trouble.failures,
            dead=trouble.dead,
            failing_s=round(trouble.last - trouble.since, 1),
        )
