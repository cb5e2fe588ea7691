"""The machine's clocks; the one place that reads them for the application."""

from __future__ import annotations

import time


class SystemClock:
    """Implements `ports.Clock`."""

    def monotonic(self) -> float:
        """Seconds since some point; also runs while the process is stopped."""
        return time.monotonic()

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; may step."""
        return time.time()
