"""All metrics there are: names, units, labels. `docs/reference/metrics.md` says the same.

A test compares the two, and both with what is exposed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cdc_triggers.core.meter import Histogram

PREFIX = "cdc_triggers."

_SUFFIXES = {"s": "_seconds", "By": "_bytes"}


class Kind(StrEnum):
    """What may become of a value."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: over OTLP.
        unit: as UCUM has it; what is counted stands in braces.
        labels: names, in the order of the values of its points.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    help: str

    @property
    def exposed(self) -> str:
        """The name at `/metrics`, without `_bucket` and the like."""
        name = self.name.replace(".", "_") + _SUFFIXES.get(self.unit, "")
        return f"{name}_total" if self.kind is Kind.COUNTER else name


class Point(NamedTuple):
    """One value of a metric, for one set of label values."""

    labels: tuple[str, ...]
    value: float | Histogram


class Family(NamedTuple):
    """A metric with all its values at one moment."""

    metric: Metric
    points: list[Point]


def _metric(kind: Kind, name: str, unit: str, labels: str, text: str) -> Metric:
    return Metric(PREFIX + name, kind, unit, tuple(labels.split()), text)


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

EVENTS = _metric(_C, "events.received", "{event}", "", "Events that came from the slot.")
TRANSACTIONS = _metric(
    _C, "transactions.received", "{transaction}", "", "Transactions that came from the slot."
)
DELIVERED = _metric(
    _C, "deliveries.delivered", "{delivery}", "trigger", "Deliveries that got a 2xx."
)
RETRIED = _metric(
    _C, "deliveries.retried", "{delivery}", "trigger", "Failed attempts that another one follows."
)
PARKED = _metric(
    *(_C, "deliveries.parked", "{delivery}", "trigger reason"),
    "Deliveries written down to be attempted later, by reason.",
)
DEAD = _metric(
    *(_C, "deliveries.dead", "{delivery}", "trigger"),
    "Deliveries whose retries are used up, or whose condition failed.",
)
ATTEMPTS = _metric(
    *(_C, "attempts", "{attempt}", "trigger outcome"),
    "Attempts that ended, by class of the answer's status or kind of failure.",
)
RECEIVED_IN = _metric(
    _H, "transaction.latency.received", "s", "", "From commit until the transaction has arrived."
)
FIRST_ATTEMPT = _metric(
    *(_H, "event.latency.first_attempt", "s", "trigger"),
    "From commit until the first attempt begins.",
)
DELIVERED_IN = _metric(_H, "event.latency.delivered", "s", "trigger", "From commit until the 2xx.")
ATTEMPT_S = _metric(_H, "attempt.duration", "s", "trigger", "How long attempts last.")
BATCH_RECORDS = _metric(
    _H, "recorder.batch.records", "{record}", "", "Records written in one transaction."
)
BATCH_S = _metric(_H, "recorder.batch.duration", "s", "", "How long such a write takes.")
LOOP_LAG = _metric(_H, "event_loop.lag", "s", "", "How late the event loop comes to a timer.")
IN_FLIGHT = _metric(_G, "attempts.in_flight", "{attempt}", "trigger", "Attempts that run.")
LANES = _metric(_G, "lanes", "{lane}", "trigger", "Keys with deliveries in memory.")
QUEUED = _metric(_G, "queue.deliveries", "{delivery}", "trigger", "Deliveries that wait in memory.")
QUEUE_BYTES = _metric(_G, "queue.size", "By", "trigger", "Bytes of deliveries in memory.")
FAILING = _metric(
    _G, "endpoint.failing", "1", "trigger", "1 from a failed attempt until 30 s without one."
)
LEADER = _metric(_G, "stream.leader", "1", "", "1 while this process streams.")
UNSETTLED = _metric(
    _G, "transactions.unsettled", "{transaction}", "", "Received transactions that are not settled."
)
UNSETTLED_AGE = _metric(
    *(_G, "unsettled.oldest.age", "s", ""),
    "Since the oldest transaction that is not settled began to arrive; 0: none is.",
)
CONFIRMED_AGE = _metric(
    _G, "lsn.confirmed.age", "s", "", "Since the confirmed LSN last moved, while it streams."
)
RECONNECTS = _metric(
    _C, "stream.reconnects", "{reconnect}", "", "Connections or leases lost, and tried again."
)
TAKEOVERS = _metric(
    _C, "stream.takeovers", "{takeover}", "", "How often another process became the leader."
)
RECOVERIES = _metric(_C, "recoveries", "{recovery}", "", "Lost slots that were made anew.")
RECOVERED = _metric(
    _C, "recovered", "{delivery}", "", "Deliveries that recoveries found in the event log."
)
HEARTBEAT_AGE = _metric(
    _G, "stream.heartbeat.age", "s", "", "Since the leader's last sign of life, whoever it is."
)
SLOT_ACTIVE = _metric(_G, "slot.active", "1", "", "1 while a process reads the slot.")
SLOT_LAG = _metric(_G, "slot.lag", "By", "", "WAL written since the confirmed LSN.")
SLOT_HELD = _metric(_G, "slot.wal.held", "By", "", "WAL that the server keeps for the slot.")
SLOT_SAFE = _metric(
    *(_G, "slot.wal.safe", "By", ""),
    "WAL that may still be written before the slot is lost; absent without a limit.",
)
SLOT_STATUS = _metric(
    _G, "slot.wal.status", "1", "status", "1 for the wal_status that the slot has, 0 for others."
)
OWED = _metric(
    _G, "parked", "{delivery}", "trigger", "Parked deliveries in the table, to be attempted."
)
BURIED = _metric(_G, "dead", "{delivery}", "trigger", "Dead deliveries in the table.")
PAUSED = _metric(_G, "trigger.paused", "1", "trigger", "1 while the trigger is paused.")
OWED_AGE = _metric(
    *(_G, "parked.oldest.age", "s", "trigger"),
    "Age of the oldest parked event; 0: nothing is parked.",
)
LOOK_AGE = _metric(
    *(_G, "database.figures.age", "s", ""),
    "Since the figures of slot, parked and dead were read.",
)
SENT = _metric(
    _C, "telemetry.sent", "{record}", "signal", "Spans, points or lines that a collector took."
)
DROPPED = _metric(
    _C, "telemetry.dropped", "{record}", "signal", "Those that found no room, or were not taken."
)
EXPORT_FAILURES = _metric(
    _C, "telemetry.failures", "{batch}", "signal", "Batches that a collector did not take."
)
CPU = _metric(_C, "process.cpu", "s", "", "Processor time of this process, all threads.")
RESIDENT = _metric(_G, "process.memory", "By", "", "Memory of this process that is resident.")

OF_DATABASE = frozenset({TAKEOVERS, RECOVERIES, RECOVERED})
"""Counters that are kept in the database, and of which each process tells the same."""

METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
