"""What is owed, counted again and again: the seldomer, the longer it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from cdc_triggers.errors import TooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdc_triggers.core.views import OwedStatus

EVERY_S = 5.0
SHARE = 20
"""Of the time at most a twentieth goes into counting what is owed, however much that is."""


class Counting(Protocol):
    """Counts what is owed."""

    def owed(self) -> Sequence[OwedStatus]:
        """What each trigger owes.

        Raises:
            TooSlowError: it takes seconds.
        """


class Owing:
    """The last count.

    Attributes:
        by_name: what each trigger owes; as long as nothing is counted, nothing.
        counted_at: seconds since 1970; None: no count has come to its end yet.

    Args:
        monotonic: seconds, for how long a count takes.
    """

    def __init__(self, database: Counting, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._due = 0.0
        self.by_name: Mapping[str, OwedStatus] = {}
        self.counted_at: float | None = None

    def look(self, at: float) -> None:
        """Count if it is time to; what takes too long leaves the last count, which has its age.

        Raises:
            CdcTriggersError: the database could not be asked.
        """
        if at < self._due:
            return
        began = self._monotonic()
        self._due = at + EVERY_S
        try:
            self.by_name = {each.name: each for each in self._database.owed()}
            self.counted_at = at
        except TooSlowError:
            pass
        self._due = at + max(EVERY_S, SHARE * (self._monotonic() - began))
