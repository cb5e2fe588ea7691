"""Puts many dead deliveries back, as slowly as the endpoint likes it.

Each step is a transaction of its own: whatever ends it, what was put back stays put back, and all
else stays dead.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from cdc_triggers.app.admin import lowest_id
from cdc_triggers.core.cause import cause_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cdc_triggers.core.dead import DeadRow, DeadWanted

STEP: Final = 10_000
"""Rows per transaction at most: about a second of locks and of WAL."""

_LOOKED_AT: Final = 5_000


class DeadStore(Protocol):
    """The dead deliveries of a database."""

    def errors(self, wanted: DeadWanted) -> Sequence[tuple[str, int]]:
        """Every error of them, and how many died with it; `cause` is not looked at."""
        ...

    def chunk(self, wanted: DeadWanted, after_id: str, limit: int) -> Sequence[DeadRow]:
        """The next ones by event id; `cause` is not looked at."""
        ...

    def put_back(self, wanted: DeadWanted, numbers: Sequence[int]) -> int:
        """Owe those of them again that are dead still; returns how many."""
        ...


def count(store: DeadStore, wanted: DeadWanted) -> int:
    """How many would be put back now."""
    return sum(n for error, n in store.errors(wanted) if wanted.cause in {None, cause_of(error)})


@dataclass
class DeadRedelivery:
    """One redelivery.

    Attributes:
        done: how many were put back.
    """

    store: DeadStore
    wanted: DeadWanted
    done: int = 0
    _after: str = ""
    _waiting: deque[DeadRow] = field(default_factory=deque)
    _read_all: bool = False

    def step(self, most: int) -> bool:
        """Put at most `most` back; False: there are no more."""
        most = min(most, STEP)
        while len(self._waiting) < most and not self._read_all:
            self._read()
        rows = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if rows:
            self.done += self.store.put_back(self.wanted, [row.number for row in rows])
        return bool(self._waiting) or not self._read_all

    def _read(self) -> None:
        after = self._after or lowest_id(self.wanted.since)
        rows = self.store.chunk(self.wanted, after, _LOOKED_AT)
        if not rows:
            self._read_all = True
            return
        self._after = rows[-1].event_id
        cause = self.wanted.cause
        self._waiting.extend(r for r in rows if cause is None or cause_of(r.error) == cause)


@dataclass(frozen=True)
class Pace:
    """So many a second, in small steps.

    Args:
        rate: a second; None: as fast as it goes.
    """

    rate: float | None

    def due(self, elapsed_s: float, done: int) -> int:
        """How many may be put back now, so long after the beginning."""
        if self.rate is None:
            return STEP
        return max(0, int(self.rate * elapsed_s) + 1 - done)


def run(
    redelivery: DeadRedelivery,
    pace: Pace,
    clock: Callable[[], float],
    wait: Callable[[float], bool],
) -> bool:
    """Put all back.

    Args:
        redelivery: it, at its beginning.
        pace: how fast.
        clock: monotonic seconds.
        wait: waits for so many seconds; True: stop here.

    Returns:
        False: it was stopped; what was not put back stays dead.
    """
    began = clock()
    sent = 0
    while not wait(0.0):
        due = pace.due(clock() - began, sent)
        if due:
            before = redelivery.done
            if not redelivery.step(due):
                return True
            sent += max(1, redelivery.done - before)
        elif wait(0.2):
            break
    return False
