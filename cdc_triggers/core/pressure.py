"""May a trigger hold up the reader any longer? A healthy burst may; a slow endpoint may not.

A trigger whose queue is full stops the reader until half of it has drained. It must get there
within 2.5 s: then what waits in its queue is sent before it counts as stuck. And while other
triggers have nothing to do, its stops come out of a budget of a second that refills at a tenth of
real time: so a slow endpoint takes at most a tenth of the others' time.
"""

from __future__ import annotations

PATIENCE_S = 2.5
BUDGET_S = 1.0
REFILL = 0.1


class Pressure:
    """One trigger's standing with the reader. All times are monotonic seconds."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._budget = BUDGET_S
        self._updated = 0.0

    def full(self, now: float) -> None:
        """The queue is full: the reader stops for this trigger's sake."""
        if self.since is None:
            self._refill(now)
            self.since = now

    def relieved(self, now: float) -> None:
        """Half of the queue has drained: the reader goes on."""
        if self.since is not None:
            self._budget = max(0.0, self._budget - (now - self.since))
            self._updated = now
            self.since = None

    def exhausted(self, now: float, *, others_wait: bool) -> bool:
        """True if the trigger must give way: its events go to the table from here on."""
        if self.since is None:
            return False
        held = now - self.since
        return held >= PATIENCE_S or (others_wait and held >= self._budget)

    def _refill(self, now: float) -> None:
        self._budget = min(BUDGET_S, self._budget + (now - self._updated) * REFILL)
        self._updated = now
