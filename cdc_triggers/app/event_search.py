"""A page of events out of millions, in bounded time: windows of the newest first, until it is full.

A search never counts and never reads all: when its time is over it says how far it has come, and
where to go on. Sources are read side by side; what is older than the place up to which all of them
have been read is left for the next page.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from cdc_triggers.app.admin import OWED, lowest_id
from cdc_triggers.core.event_search import NEWEST, OLDEST, Found, Source, Window
from cdc_triggers.errors import TooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from cdc_triggers.core.event_search import FoundLine, Search, Seen

_FIRST_ROWS: Final = 256
_MOST_ROWS: Final = 40_000
_GROWTH: Final = 4.0
_CHUNK: Final = 200


class Windows(Protocol):
    """Where events are looked for. Every method raises TooSlowError if it takes too long."""

    def settled_at(self) -> datetime | None:
        """Up to when everything is settled."""
        ...

    def find(self, wanted: Search, window: Window) -> Seen:
        """What fits in this window, leaving trigger and status of the log to `lines`."""
        ...

    def lines(self, ids: Sequence[str]) -> Sequence[FoundLine]:
        """What became of these events."""
        ...


@dataclass
class _Reading:
    """How far one source has been read."""

    source: Source
    from_id: str
    before: str
    rows: int = _FIRST_ROWS
    ended: bool = False


@dataclass
class EventSearch:
    """One search.

    Args:
        windows: the database.
        clock: monotonic seconds.
        limit: events on a page.
        budget_s: after so long no further window is read, once each source has had one.
    """

    windows: Windows
    clock: Callable[[], float]
    limit: int = 50
    budget_s: float = 0.1
    _kept: dict[str, list[FoundLine]] = field(default_factory=dict, init=False)
    _looked: set[str] = field(default_factory=set, init=False)
    _rows: int = field(default=0, init=False)

    def run(self, wanted: Search, before: str | None = None) -> Found:
        """A page below the id `before`.

        Raises:
            TooSlowError: not even a single row could be read in time.
        """
        began = self.clock()
        readings = self._readings(wanted, before or NEWEST)
        first = readings[0].before
        while True:
            floor = max((r.before for r in readings if not r.ended), default=None)
            if floor is None or self._complete(floor) > self.limit:
                return self._page(floor, cut=False)
            left_s = self.budget_s - (self.clock() - began)
            if left_s <= 0 and floor < first:
                return self._page(floor, cut=True)
            reading = next(r for r in readings if not r.ended and r.before == floor)
            self._step(wanted, reading, left_s)

    def _readings(self, wanted: Search, before: str) -> list[_Reading]:
        """The sources that may have it, each from where to where."""
        from_id = lowest_id(wanted.since)
        if wanted.until is not None:
            before = min(before, _above(wanted.until))
        readings = [_Reading(source, from_id, before) for source in _sources(wanted)]
        if wanted.status == "pending" or (wanted.trigger is not None and wanted.status is None):
            settled = self.windows.settled_at()
            for reading in readings:
                if reading.source is Source.LOG and settled is not None:
                    reading.from_id = max(from_id, lowest_id(settled))
        return readings

    def _step(self, wanted: Search, reading: _Reading, left_s: float) -> None:
        """Read one window more; after one that was too large, a smaller one comes next."""
        filtered = wanted.trigger is not None or wanted.status is not None
        limit = min(_CHUNK if filtered else self.limit + 1, reading.rows)
        window = Window(reading.source, reading.from_id, reading.before, reading.rows, limit)
        began = self.clock()
        try:
            seen = self.windows.find(wanted, window)
            self._keep(wanted, seen.ids)
        except TooSlowError:
            if reading.rows == 1:
                raise
            reading.rows = max(1, reading.rows // 8)
            return
        self._rows += seen.rows
        if len(seen.ids) >= limit:
            reading.before = seen.ids[-1]
        elif seen.lowest is None or seen.rows < reading.rows:
            reading.ended = True
        else:
            reading.before = seen.lowest
        took_s = max(self.clock() - began, 1e-4)
        growth = min(_GROWTH, max(0.5, left_s / 2 / took_s))
        reading.rows = max(1, min(_MOST_ROWS, int(reading.rows * growth)))

    def _keep(self, wanted: Search, ids: Iterable[str]) -> None:
        new = [each for each in ids if each not in self._looked]
        for line in self.windows.lines(new) if new else ():
            if wanted.trigger is not None and line.trigger != wanted.trigger:
                continue
            if wanted.status is not None and line.status != wanted.status:
                continue
            self._kept.setdefault(line.id, []).append(line)
        self._looked.update(new)

    def _complete(self, floor: str) -> int:
        return sum(event_id >= floor for event_id in self._kept)

    def _page(self, floor: str | None, *, cut: bool) -> Found:
        """What stands above the floor; if that is more than a page, as much as fits."""
        ids = sorted((i for i in self._kept if i >= (floor or OLDEST)), reverse=True)
        before = floor
        if len(ids) > self.limit:
            ids = ids[: self.limit]
            before = ids[-1]
        lines = tuple(line for event_id in ids for line in self._kept[event_id])
        return Found(lines, before, self._rows, cut)


def _sources(wanted: Search) -> tuple[Source, ...]:
    """Where it may be; a delivery outlives the log, it has its own copy of the event."""
    if wanted.status in OWED:
        return (Source.OWED,)
    if wanted.status == "delivered":
        return (Source.DELIVERED,)
    if wanted.status is not None:
        return (Source.LOG,)
    if wanted.trigger is not None:
        return (Source.LOG, Source.DELIVERED, Source.OWED)
    return (Source.LOG, Source.OWED)


def time_of(event_id: str) -> float:
    """Seconds since 1970 of an event id (UUID version 7)."""
    return (uuid.UUID(event_id).int >> 80) / 1000


def _above(at: datetime) -> str:
    """An id above all that were made before `at`, with the slack of `lowest_id`."""
    milliseconds = min(max(0, int(at.timestamp() * 1000) + 1001), 2**48 - 1)
    return str(uuid.UUID(int=milliseconds << 80))
