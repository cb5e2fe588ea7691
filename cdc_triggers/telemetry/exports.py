"""How a signal's exports go: counted, and said when it changes, not for every batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.ports import Telemetry

QUIET_S: Final = 60.0
"""Between two facts that it fails: of a collector that refuses every other batch, one is enough."""


class Exports:
    """Of one signal; its methods are called from one thread, but for `dropped`.

    Args:
        collector: its host and port; None: another exporter, which knows where it sends to.
        now: monotonic seconds.

    Attributes:
        sent: records that a collector has taken.
        dropped: records that found no room, or were not taken.
        failures: batches that were not taken.
    """

    def __init__(
        self,
        signal: str,
        telemetry: Telemetry,
        collector: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal = signal
        self._collector = collector
        self.sent = self.dropped = self.failures = 0
        self._telemetry = telemetry
        self._now = now
        self._failing = False
        self._said_at = float("-inf")
        self._dropped_before = 0

    def succeeded(self, records: int) -> None:
        """A batch was taken."""
        self.sent += records
        if self._failing:
            self._failing = False
            before, self._dropped_before = self._dropped_before, self.dropped
            dropped = self._dropped_before - before
            self._telemetry.fact("info", "telemetry.recovered", signal=self.signal, dropped=dropped)

    def failed(self, error: str, records: int, refused: int | None = None) -> None:
        """A batch was not taken, or so many of it were refused; it is gone."""
        if not self._failing and self._now() - self._said_at >= QUIET_S:
            self._failing = True
            self._said_at = self._now()
            self._telemetry.fact(
                "warning",
                "telemetry.failing",
                signal=self.signal,
                collector=self._collector,
                error=error,
            )
        lost = records if refused is None else min(refused, records)
        self.failures += 1
        self.sent += records - lost
        self.dropped += lost
