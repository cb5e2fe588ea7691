"""What was measured until now: ten minutes by the second, two hours by ten seconds, in memory."""

from __future__ import annotations

import math
import threading
from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.console.pages.measured import Measured

FINE_S = 1.0
COARSE_S = 10.0
_FINE = 600
_COARSE = 720
_WINDOWS = {_FINE: (60, 120, 300, 600), _COARSE: (60, 180, 360, 720)}
"""How many values a chart has room for: what is not measured yet is left empty, for a while."""

_SHAPE = 60

Key = tuple[str, str]
"""What is measured, and of which trigger; empty: of all."""


class Point(NamedTuple):
    """A value at a time, in seconds since 1970; None: nothing was measured."""

    at: float
    value: float | None


class Track:
    """The last `length` values of everything that is measured, at the same times.

    One array of floats for each: 200 triggers for two hours are a few megabytes.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._times = array("d", [math.nan]) * length
        self._columns: dict[Key, array[float]] = {}
        self._next = 0

    def push(self, at: float, values: Mapping[Key, float | None]) -> None:
        """Add one value of each; what is not among them was not measured."""
        place = self._next % self._length
        self._times[place] = at
        for key in values.keys() - self._columns.keys():
            self._columns[key] = array("f", [math.nan]) * self._length
        for key, column in self._columns.items():
            value = values.get(key)
            column[place] = math.nan if value is None else value
        self._next += 1
        if self._next % self._length == 0:
            self._forget_silent()

    def points(self, key: Key) -> list[Point]:
        """The values of one, oldest first."""
        column = self._columns.get(key)
        first = max(0, self._next - self._length)
        found = []
        for number in range(first, self._next):
            value = math.nan if column is None else column[number % self._length]
            at = self._times[number % self._length]
            found.append(Point(at, None if math.isnan(value) else value))
        room = next(size for size in _WINDOWS[self._length] if size >= len(found))
        step = FINE_S if self._length == _FINE else COARSE_S
        first_at = found[0].at if found else 0.0
        missing = range(room - len(found), 0, -1)
        return [*(Point(first_at - step * back, None) for back in missing), *found]

    def shape(self, key: Key, amount: int) -> tuple[Point, ...]:
        """The same in so many points, each the highest of its stretch: for a line without axes."""
        column = self._columns.get(key)
        if column is None:
            return ()
        place = self._next % self._length
        ordered = column[place:] + column[:place]
        room = next(
            size for size in _WINDOWS[self._length] if size >= min(self._next, self._length)
        )
        step = max(1, room // amount)
        last = self._times[place - 1]
        starts = range(self._length - room, self._length, step)
        stretches = ([v for v in ordered[at : at + step] if v == v] for at in starts)  # noqa: PLR0124 - no nan, in half the time
        return tuple(Point(last, max(stretch, default=None)) for stretch in stretches)

    def _forget_silent(self) -> None:
        """A trigger that is gone leaves nothing behind for ever."""
        silent = [key for key, column in self._columns.items() if all(map(math.isnan, column))]
        for key in silent:
            del self._columns[key]


class History:
    """Written by one thread, read by others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fine = Track(_FINE)
        self._coarse = Track(_COARSE)
        self._shapes: dict[Key, tuple[Point, ...]] = {}
        self._latest: Measured | None = None

    @property
    def latest(self) -> Measured | None:
        """The last that was measured; None: nothing yet."""
        return self._latest

    def note(self, measured: Measured) -> None:
        """Everything that was measured just now."""
        self._latest = measured

    def push(
        self, at: float, fine: Mapping[Key, float | None], coarse: Mapping[Key, float | None] | None
    ) -> None:
        """Values of the last second, and where it is time, of the last ten."""
        with self._lock:
            self._fine.push(at, fine)
            if coarse is not None:
                self._coarse.push(at, coarse)
                self._shapes.clear()

    def fine(self, what: str) -> Sequence[Point]:
        """Ten minutes by the second; of triggers there is only `coarse`."""
        with self._lock:
            return self._fine.points((what, ""))

    def shape(self, what: str, trigger: str) -> tuple[Point, ...]:
        """Up to two hours in a few points, for a sparkline."""
        key = (what, trigger)
        with self._lock:
            if key not in self._shapes:
                self._shapes[key] = self._coarse.shape(key, _SHAPE)
            return self._shapes[key]

    def coarse(self, what: str, trigger: str = "") -> Sequence[Point]:
        """Two hours by ten seconds."""
        with self._lock:
            return self._coarse.points((what, trigger))
