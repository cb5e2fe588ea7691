"""Is an endpoint out of reach, and how often is it tried then?

An attempt at an endpoint that refuses ends at once, and costs the loop three times what a delivery
does: a socket, an error, an attempt and a park to write. Nothing else slows such attempts down, so
one dead endpoint of ten took three tenths of the others' rate. Endpoints that do not answer in time
need no such limit: what is in flight for them stays in flight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.attempt import Failure, FailureKind

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome

MISSES = 64
"""Attempts in a row that did not get there: as many as a trigger has in flight by default."""

TRIALS_S = 100.0
"""Attempts in a second at all endpoints together that are out of reach: 2 % of a processor."""

TRIALS = 10.0
"""So many at once: what comes together between two ticks."""

_MISSED = frozenset({FailureKind.CONNECT, FailureKind.DNS, FailureKind.TLS})
_UNKNOWN = frozenset({FailureKind.TIMEOUT, FailureKind.INVALID_REQUEST, FailureKind.TEMPLATE})


class Reach:
    """What the attempts of one trigger say about its endpoint."""

    def __init__(self) -> None:
        self._misses = 0

    @property
    def lost(self) -> bool:
        """True if the endpoint is out of reach."""
        return self._misses >= MISSES

    def ended(self, outcome: Outcome) -> None:
        """An attempt ended: any answer, whatever its status, says that the endpoint is there."""
        if not isinstance(outcome, Failure):
            self._misses = 0
        elif outcome.kind in _MISSED:
            self._misses += 1
        elif outcome.kind not in _UNKNOWN:
            self._misses = 0

    def forget(self) -> None:
        """The trigger was changed: perhaps it has another endpoint now."""
        self._misses = 0


class Trials:
    """How many attempts there may be at endpoints that are out of reach."""

    def __init__(self) -> None:
        self._left = TRIALS
        self._updated = 0.0

    def grant(self, now: float) -> bool:
        """One more, if there may be one. `now` is monotonic seconds."""
        self._left = min(TRIALS, self._left + (now - self._updated) * TRIALS_S)
        self._updated = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
