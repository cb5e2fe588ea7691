"""Sees what a tenure does, and tells it on: numbers, spans, and facts about endpoints.

Called on the loop for every event: what it costs is paid by every delivery.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from cdc_triggers.app.endpoints import Endpoints
from cdc_triggers.core.attempt import Response
from cdc_triggers.core.messages import Begin, Commit, LogRow
from cdc_triggers.core.meter import Exemplar, Histogram, Meter

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.engine import Engine
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.records import Batch
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.ports import Clock, Telemetry
    from cdc_triggers.tracing import Span, Tracing

EXEMPLAR_S: Final = 1.0
"""How long an exemplar stays: one is enough for whoever scrapes. One of the future, after a clock
was set back, does not stay at all."""


class Attempt:
    """One attempt that runs.

    Attributes:
        headers: the trace headers of its request; None: those of the writer.
        request: as it goes on the wire; None until it is made, or if it cannot be.
    """

    __slots__ = ("delivery", "headers", "request", "span", "spec")

    def __init__(self, delivery: Delivery, spec: Trigger, span: Span | None) -> None:
        self.delivery = delivery
        self.spec = spec
        self.span = span
        self.headers = None if span is None else span.headers
        self.request: Request | None = None


class Watch:
    """Lives as long as the process, over all tenures.

    Args:
        exemplars: which measurements of attempts are kept as exemplars: those of sampled spans
            (`trace_based`), `always_on` or `always_off`.

    Attributes:
        meter: the numbers.
        engine: that of the tenure that leads; None: this process does not lead.
        confirmed_at: monotonic seconds when the confirmed LSN last moved.
    """

    def __init__(
        self,
        clock: Clock,
        telemetry: Telemetry,
        tracing: Tracing | None = None,
        exemplars: str = "trace_based",
    ) -> None:
        self.meter = Meter()
        self.engine: Engine | None = None
        self.confirmed_at = clock.monotonic()
        self.endpoints = Endpoints(telemetry)
        self._clock = clock
        self._tracing = tracing
        self._add = _ADDERS[exemplars]
        self._events = 0
        self._offset = clock.now() - clock.monotonic()
        self._confirmed: Lsn | None = None

    @property
    def failing(self) -> frozenset[str]:
        """Triggers whose endpoints fail."""
        return self.endpoints.failing

    def received(self, message: Message, now: float) -> None:
        """The engine has taken a message."""
        kind = type(message)
        if kind is LogRow:
            self._events += 1
        elif kind is Begin:
            self._events = 0
        elif kind is Commit:
            self._commit(message, now)  # type: ignore[arg-type]
        if self._tracing is not None:
            self._tracing.received(message, now + self._offset)

    def begin(self, delivery: Delivery, spec: Trigger) -> Attempt:
        """An attempt begins, at `delivery.started`."""
        tracing = self._tracing
        span = None if tracing is None else tracing.begin(delivery, spec)
        if not delivery.tries:
            wall = delivery.started + self._offset
            histogram = self.meter.of(spec.name).first_attempt
            self._add(histogram, wall - _committed(delivery), wall, span)
        return Attempt(delivery, spec, span)

    def ended(self, attempt: Attempt, outcome: Outcome, times: Times, follows: str) -> None:
        """It ended; `follows` is delivered, retry or dead."""
        delivery, span, name = attempt.delivery, attempt.span, attempt.spec.name
        meter = self.meter.of(name)
        kind = _kind(outcome)
        meter.attempts[kind] = meter.attempts.get(kind, 0) + 1
        self._add(meter.attempt, times.now - delivery.started, times.wall, span)
        if follows == "delivered":
            meter.delivered += 1
            self._add(meter.delivered_in, times.wall - _committed(delivery), times.wall, span)
            self.endpoints.delivered(name, times.now)
        else:
            self.endpoints.failed(name, delivery, outcome, span, times.now)
            if follows == "dead":
                self.endpoints.died(name)
            else:
                meter.retried += 1
        if span is not None and self._tracing is not None:
            self._tracing.ended(span, attempt.request, outcome, times, follows)

    def wrote(self, batch: Batch, seconds: float) -> None:
        """A batch is durable; writing it took so long."""
        records = len(batch.attempts) + len(batch.parks) + len(batch.resolutions)
        if not records:
            return
        self.meter.batch_records.add(records)
        self.meter.batch_seconds.add(seconds)
        for park in batch.parks:
            meter = self.meter.of(park.trigger_name)
            if park.status == "dead":
                meter.dead += not park.tries  # else its last attempt counts
            else:
                meter.parked[park.reason] = meter.parked.get(park.reason, 0) + 1
        for attempt in batch.attempts:
            if attempt.outcome == "dead":
                self.meter.of(attempt.trigger_name).dead += 1

    def confirmed(self, lsn: Lsn, now: float) -> None:
        """All that was committed before `lsn` is confirmed to the slot."""
        if lsn != self._confirmed:
            self._confirmed = lsn
            self.confirmed_at = now
            if self._tracing is not None:
                self._tracing.confirmed(lsn, now + self._offset)

    def ticked(self, late_s: float, now: float) -> None:
        """The loop came to its tick, so much later than it was due."""
        self._offset = self._clock.now() - now
        self.meter.loop_lag.add(late_s)
        if self.endpoints.failing:
            self.endpoints.tick(now)
            if self.engine is not None:
                active = self.engine.roster.active.values()
                self.endpoints.keep(frozenset(state.row.name for state in active))

    def _commit(self, commit: Commit, now: float) -> None:
        meter = self.meter
        meter.transactions += 1
        meter.events += self._events
        if self._events:
            meter.received_in.add(now + self._offset - commit.commit_us / 1e6)


def _committed(delivery: Delivery) -> float:
    """When its transaction committed; of one that was parked, when its row was captured."""
    if delivery.committed_at is None:
        return datetime.fromisoformat(delivery.event.created_at).timestamp()
    return delivery.committed_at


_CLASSES: Final = tuple(f"{status // 100}xx" for status in range(1_000))


def _kind(outcome: Outcome) -> str:
    return _CLASSES[outcome.status] if isinstance(outcome, Response) else outcome.kind.value


def _add(histogram: Histogram, value: float, at: float, span: Span | None) -> None:
    bucket = histogram.add(value)
    if span is None or not span.sampled:
        return
    last = histogram.exemplars.get(bucket)
    if last is None or not 0.0 <= at - last.at < EXEMPLAR_S:
        histogram.exemplars[bucket] = Exemplar(value, at, span.trace_id, span.process_id)


def _add_always(histogram: Histogram, value: float, at: float, span: Span | None) -> None:
    """Also of what is not traced: such an exemplar leads to no trace."""
    bucket = histogram.add(value)
    last = histogram.exemplars.get(bucket)
    if last is None or not 0.0 <= at - last.at < EXEMPLAR_S:
        traced = span is not None and span.sampled
        ids = (span.trace_id, span.process_id) if traced else ("", "")  # type: ignore[union-attr]
        histogram.exemplars[bucket] = Exemplar(value, at, *ids)


def _add_only(histogram: Histogram, value: float, at: float, span: Span | None) -> None:  # noqa: ARG001 - as those above
    histogram.add(value)


_ADDERS: Final = {"trace_based": _add, "always_on": _add_always, "always_off": _add_only}
