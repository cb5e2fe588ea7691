"""The machine's clocks; the one place that reads them for the application."""

from __future__ import annotations

import time
from typing import Final

_RUNS_ON: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux stops CLOCK_MONOTONIC while the machine is suspended. Leases do not stop: a leader that
sleeps past its own must know it when it wakes."""

_read: Final = time.clock_gettime


class SystemClock:
    """Implements `ports.Clock`."""

    def monotonic(self) -> float:
        """Seconds since some point; also runs while process or machine are stopped."""
        return _read(_RUNS_ON)

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; may step."""
        return time.time()
