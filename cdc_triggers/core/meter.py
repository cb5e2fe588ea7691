"""What has happened so far, in plain numbers: written on the hot path, read by whoever shows it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

SECONDS: Final[tuple[float, ...]] = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0),
)
"""Upper ends of latencies: from a fast endpoint on the same machine to one that was down a day."""

LAGS: Final[tuple[float, ...]] = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
RECORDS: Final[tuple[float, ...]] = (
    1.0,
    10.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
)

TRIGGERS: Final = 200
OTHER: Final = "other"
"""Triggers that have a label of their own, and the label of all that come after them."""


class Exemplar(NamedTuple):
    """One measured value, and the sampled trace that it belongs to, if there is one.

    `at` is seconds since 1970; ids are W3C's, in hex, or empty.
    """

    value: float
    at: float
    trace_id: str
    span_id: str


class Histogram:
    """Counts of values by fixed upper ends; the last count is of what lies above all of them."""

    __slots__ = ("bounds", "counts", "exemplars", "least", "most", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.least, self.most = float("inf"), float("-inf")
        self.exemplars: dict[int, Exemplar] = {}

    def add(self, value: float) -> int:
        """Count a value; clocks of two machines may differ, so a negative one counts as 0.

        Returns:
            The bucket that it fell into.
        """
        if value < 0.0:  # noqa: PLR1730 - max() takes three times as long, and so below
            value = 0.0
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if value < self.least:  # noqa: PLR1730
            self.least = value
        if value > self.most:  # noqa: PLR1730
            self.most = value
        return bucket

    def less(self, before: Histogram) -> Histogram:
        """What was added since `before`; its least and most are not known, and as if of nothing."""
        found = Histogram(self.bounds)
        found.counts = [a - b for a, b in zip(self.counts, before.counts, strict=True)]
        found.sum = self.sum - before.sum
        told = before.exemplars
        found.exemplars = {n: each for n, each in self.exemplars.items() if told.get(n) != each}
        return found

    def copy(self) -> Histogram:
        """The same, as it is now."""
        found = self.less(Histogram(self.bounds))
        found.least, found.most = self.least, self.most
        return found

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


class TriggerMeter:
    """One trigger's numbers.

    Attributes:
        attempts: by outcome: `2xx` and so on, or the kind of failure.
        parked: by reason.
        first_attempt, delivered_in: seconds since the commit; `attempt` lasts so many seconds.
    """

    __slots__ = (
        "attempt",
        "attempts",
        "dead",
        "delivered",
        "delivered_in",
        "first_attempt",
        "parked",
        "retried",
    )

    def __init__(self) -> None:
        self.delivered = self.retried = self.dead = 0
        self.attempts: dict[str, int] = {}
        self.parked: dict[str, int] = {}
        self.first_attempt = Histogram(SECONDS)
        self.delivered_in = Histogram(SECONDS)
        self.attempt = Histogram(SECONDS)


class Meter:
    """All numbers of one process; they only grow, over all its tenures."""

    def __init__(self) -> None:
        self.events = self.transactions = self.reconnects = 0
        self.received_in = Histogram(SECONDS)
        self.batch_records = Histogram(RECORDS)
        self.batch_seconds = Histogram(SECONDS)
        self.loop_lag = Histogram(LAGS)
        self.triggers: dict[str, TriggerMeter] = {}

    def of(self, trigger: str) -> TriggerMeter:
        """The numbers of a trigger; those that came too late share one."""
        found = self.triggers.get(trigger)
        if found is None:
            name = trigger if len(self.triggers) < TRIGGERS else OTHER
            found = self.triggers.setdefault(name, TriggerMeter())
        return found
