"""One look at everything: what the database says, and what this process has counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.core.meter import Histogram
    from cdc_triggers.core.views import OwedStatus, SlotStatus, StreamStatus


OWED_OLD_S = 30.0
"""What is owed is counted every five seconds; a count that is much older says how old it is."""


class Figures(NamedTuple):
    """What one trigger did in some time, or all of them together.

    Attributes:
        delivered, failed: attempts a second, by how they ended.
        median_s, p99_s: from the commit to the first attempt; None: there was none.
    """

    delivered: float = 0.0
    failed: float = 0.0
    median_s: float | None = None
    p99_s: float | None = None


class Measured(NamedTuple):
    """One look.

    Attributes:
        at: seconds since 1970.
        trouble: why the database could not be asked; empty: it was.
        events_s: deliveries a second, of all triggers; None: not known yet.
        owed: what each trigger owes, by name: as it was counted last.
        owed_at: when that was; None: it is not known what anybody owes.
        figures: what each trigger did in the last minute, by name; without a name: all of them.
        sampled: the figures are of a part of the attempts.
    """

    at: float
    trouble: str
    slot: SlotStatus | None
    stream: StreamStatus | None
    events_s: float | None
    wal_s: float | None
    owed: Mapping[str, OwedStatus]
    owed_at: float | None
    figures: Mapping[str, Figures]
    sampled: bool

    @property
    def parked(self) -> int | None:
        """Of all triggers; None: it is not known."""
        return None if self.owed_at is None else sum(each.parked for each in self.owed.values())

    @property
    def dead(self) -> int | None:
        """Of all triggers; None: it is not known."""
        return None if self.owed_at is None else sum(each.dead for each in self.owed.values())

    @property
    def owed_age_s(self) -> float | None:
        """How old the count is, if it is old enough to be said; None: it is as new as the rest."""
        age_s = 0.0 if self.owed_at is None else self.at - self.owed_at
        return age_s if age_s > OWED_OLD_S else None

    @property
    def total(self) -> Figures:
        """What all triggers did together."""
        return self.figures.get("", Figures())


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value that `share` of all lie below: within its bucket as if they were spread evenly."""
    total = sum(counts)
    if not total:
        return None
    wanted, seen = share * total, 0.0
    for place, amount in enumerate(counts):
        if amount and seen + amount >= wanted:
            low = bounds[place - 1] if place else 0.0
            high = bounds[place] if place < len(bounds) else bounds[-1]
            return low + (high - low) * (wanted - seen) / amount
        seen += amount
    return bounds[-1]


class Counted(NamedTuple):
    """A trigger's counters at one moment: two of them are its figures."""

    delivered: int
    failed: int
    latency: tuple[int, ...]

    @classmethod
    def of(cls, delivered: int, failed: int, latency: Histogram) -> Counted:
        """Copy them."""
        return cls(delivered, failed, tuple(latency.counts))


def figures(before: Counted, after: Counted, bounds: Sequence[float], seconds: float) -> Figures:
    """What happened in between; counters that went back began anew."""
    if before.delivered > after.delivered or seconds <= 0:
        return Figures()
    counts = [b - a for a, b in zip(before.latency, after.latency, strict=True)]
    return Figures(
        (after.delivered - before.delivered) / seconds,
        (after.failed - before.failed) / seconds,
        quantile(bounds, counts, 0.5),
        quantile(bounds, counts, 0.99),
    )


def total(parts: Sequence[Counted]) -> Counted:
    """All triggers' counters as one; there is at least one."""
    return Counted(
        sum(each.delivered for each in parts),
        sum(each.failed for each in parts),
        tuple(map(sum, zip(*(each.latency for each in parts), strict=True))),
    )
