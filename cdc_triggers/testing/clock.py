"""A clock that moves only when it is told to."""

from __future__ import annotations


class ManualClock:
    """Implements `ports.Clock`: both clocks stand still until `advance`.

    Args:
        monotonic: where the first clock begins, in seconds.
        now: where the second one does, in seconds since 1970-01-01 UTC.
    """

    def __init__(self, monotonic: float = 1_000.0, now: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._now = now

    def monotonic(self) -> float:
        """See `ports.Clock.monotonic`."""
        return self._monotonic

    def now(self) -> float:
        """See `ports.Clock.now`."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._monotonic += seconds
        self._now += seconds
