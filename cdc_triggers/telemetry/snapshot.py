"""The values of all metrics at one moment. Taken on the loop, so that nothing changes meanwhile."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cdc_triggers.core.figures import WAL_STATUSES
from cdc_triggers.core.meter import OTHER, TRIGGERS
from cdc_triggers.telemetry import metrics as m
from cdc_triggers.telemetry.metrics import Family, Metric, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cdc_triggers.core.engine import Engine
    from cdc_triggers.core.figures import DatabaseFigures
    from cdc_triggers.core.meter import Histogram, Meter, TriggerMeter
    from cdc_triggers.core.trigger_state import TriggerState
    from cdc_triggers.ports import Clock
    from cdc_triggers.telemetry.exports import Exports

_STATM = Path("/proc/self/statm")


class WatchedStream(Protocol):
    """What is known of a stream without its database; see `app.watch.Watch`."""

    meter: Meter
    engine: Engine | None
    confirmed_at: float

    @property
    def failing(self) -> frozenset[str]:
        """Triggers whose endpoints fail."""
        ...


class Snapshots:
    """Reads what is watched, the figures of the database and the exporters.

    Args:
        figures: the last ones; None: none were read.
        exports: of the signals that are exported.
    """

    def __init__(
        self,
        watch: WatchedStream,
        figures: Callable[[], DatabaseFigures | None],
        exports: Iterable[Exports],
        clock: Clock,
    ) -> None:
        self._watch = watch
        self._figures = figures
        self._exports = tuple(exports)
        self._clock = clock

    def take(self) -> list[Family]:
        """All metrics, in the order of `metrics.METRICS`; some may have no points."""
        found: dict[Metric, list[Point]] = {metric: [] for metric in m.METRICS}
        for metric, point in self._points():
            found[metric].append(point)
        return [Family(metric, points) for metric, points in found.items()]

    def _points(self) -> Iterator[tuple[Metric, Point]]:
        yield from self._process()
        yield from self._meter()
        yield from self._stream()
        if (figures := self._figures()) is not None:
            yield m.LOOK_AGE, Point((), max(0.0, self._clock.monotonic() - figures.at))
            yield from _figures(figures)
        for exports in self._exports:
            labels = (exports.signal,)
            yield m.SENT, Point(labels, exports.sent)
            yield m.DROPPED, Point(labels, exports.dropped)
            yield m.EXPORT_FAILURES, Point(labels, exports.failures)

    def _process(self) -> Iterator[tuple[Metric, Point]]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield m.CPU, Point((), used.ru_utime + used.ru_stime)
        try:
            pages = int(_STATM.read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return
        yield m.RESIDENT, Point((), pages * os.sysconf("SC_PAGE_SIZE"))

    def _meter(self) -> Iterator[tuple[Metric, Point]]:
        meter = self._watch.meter
        plain: dict[Metric, int | Histogram] = {
            m.EVENTS: meter.events,
            m.TRANSACTIONS: meter.transactions,
            m.RECONNECTS: meter.reconnects,
            m.RECEIVED_IN: meter.received_in,
            m.BATCH_RECORDS: meter.batch_records,
            m.BATCH_S: meter.batch_seconds,
            m.LOOP_LAG: meter.loop_lag,
        }
        for metric, value in plain.items():
            yield metric, Point((), value)
        if (engine := self._watch.engine) is not None:
            for state in engine.roster.active.values():
                meter.of(state.row.name)  # a counter that begins with its first event hides it
        for name, trigger in meter.triggers.items():
            yield from _trigger(name, trigger)

    def _stream(self) -> Iterator[tuple[Metric, Point]]:
        engine, now = self._watch.engine, self._clock.monotonic()
        yield m.LEADER, Point((), int(engine is not None))
        if engine is None:
            return
        oldest = engine.ledger.oldest_since
        yield m.UNSETTLED, Point((), engine.ledger.unsettled)
        yield m.UNSETTLED_AGE, Point((), 0.0 if oldest is None else max(0.0, now - oldest))
        yield m.CONFIRMED_AGE, Point((), max(0.0, now - self._watch.confirmed_at))
        yield from _queues(engine, self._watch.failing)


def _trigger(name: str, trigger: TriggerMeter) -> Iterator[tuple[Metric, Point]]:
    labels = (name,)
    yield m.DELIVERED, Point(labels, trigger.delivered)
    yield m.RETRIED, Point(labels, trigger.retried)
    yield m.DEAD, Point(labels, trigger.dead)
    yield m.FIRST_ATTEMPT, Point(labels, trigger.first_attempt)
    yield m.DELIVERED_IN, Point(labels, trigger.delivered_in)
    yield m.ATTEMPT_S, Point(labels, trigger.attempt)
    for outcome, count in trigger.attempts.items():
        yield m.ATTEMPTS, Point((name, outcome), count)
    for reason, count in trigger.parked.items():
        yield m.PARKED, Point((name, reason), count)


def _queues(engine: Engine, failing: frozenset[str]) -> Iterator[tuple[Metric, Point]]:
    def measures(state: TriggerState) -> dict[Metric, float]:
        lanes = state.lanes
        return {
            m.IN_FLIGHT: len(lanes.in_flight),
            m.LANES: lanes.count,
            m.QUEUED: lanes.queued,
            m.QUEUE_BYTES: lanes.size,
            m.FAILING: int(state.row.name in failing),
        }

    return _bounded((state.row.name, measures(state)) for state in engine.roster.active.values())


def _figures(figures: DatabaseFigures) -> Iterator[tuple[Metric, Point]]:
    if (slot := figures.slot) is not None:
        plain = {
            m.SLOT_ACTIVE: None if slot.active is None else int(slot.active),
            m.SLOT_LAG: slot.lag,
            m.SLOT_HELD: slot.held,
            m.SLOT_SAFE: slot.safe,
            m.TAKEOVERS: slot.takeovers,
            m.RECOVERIES: slot.recoveries,
            m.RECOVERED: slot.recovered,
            m.HEARTBEAT_AGE: slot.heartbeat_age_s,
        }
        for metric, value in plain.items():
            if value is not None:
                yield metric, Point((), value)
        for status in WAL_STATUSES:
            yield m.SLOT_STATUS, Point((status,), int(slot.status == status))
    measures: Iterable[tuple[str, dict[Metric, float]]] = (
        (
            each.name,
            {
                m.OWED: each.parked,
                m.BURIED: each.dead,
                m.PAUSED: int(each.paused),
                m.OWED_AGE: each.oldest_age_s,
            },
        )
        for each in figures.triggers
    )
    yield from _bounded(measures)


_LARGEST = frozenset({m.FAILING, m.PAUSED, m.OWED_AGE})
"""Of many triggers these are not added up: the largest is the worst."""


def _bounded(
    measures: Iterable[tuple[str, Mapping[Metric, float]]],
) -> Iterator[tuple[Metric, Point]]:
    """A point per trigger and metric; what comes after the first of them has one label."""
    rest: dict[Metric, float] = {}
    for index, (name, values) in enumerate(measures):
        for metric, value in values.items():
            if index < TRIGGERS and name != OTHER:
                yield metric, Point((name,), value)
            else:
                before = rest.get(metric, 0)
                rest[metric] = max(before, value) if metric in _LARGEST else before + value
    for metric, value in rest.items():
        yield metric, Point((OTHER,), value)
