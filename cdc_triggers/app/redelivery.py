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
from cdc_triggers.core.dead import DeadWanted
from cdc_triggers.core.views import Redelivery
from cdc_triggers.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from cdc_triggers.core.dead import DeadAsked, DeadRow

STEP: Final = 10_000
"""Rows per transaction at most: about a second of locks and of WAL."""

STOPPED: Final = "stopped by hand"
OTHERS: Final = "the others stay dead"

_LOOKED_AT: Final = 5_000
_FASTEST: Final = 1e9
_STOPS_S: Final = 5.0


class DeadStore(Protocol):
    """The dead deliveries of a database."""

    def now(self) -> datetime:
        """The server's clock: what dies later is not part of a redelivery begun now."""
        ...

    def errors(self, wanted: DeadWanted) -> Sequence[tuple[str, int]]:
        """Every error of them, and how many died with it; `cause` is not looked at."""
        ...

    def chunk(self, wanted: DeadWanted, after_id: str, limit: int) -> Sequence[DeadRow]:
        """The next ones by event id; `cause` is not looked at."""
        ...

    def put_back(self, wanted: DeadWanted, numbers: Sequence[int]) -> int:
        """Owe those of them again that are dead still; returns how many."""
        ...


class Running(Protocol):
    """Redeliveries that run beside the console's pages, in whatever process, by number."""

    def running(self) -> Mapping[int, str]:
        """All of them, and their triggers."""
        ...

    def stop(self, number: int, more: str) -> None:
        """Make one stop when it next looks; `more` is added to what it has noted."""
        ...


def count(store: DeadStore, wanted: DeadWanted) -> int:
    """How many would be put back now."""
    return sum(n for error, n in store.errors(wanted) if wanted.cause in {None, cause_of(error)})


def redeliver(
    store: DeadStore,
    asked: DeadAsked,
    clock: Callable[[], float],
    wait: Callable[[float], bool],
    *,
    dry_run: bool,
) -> Redelivery:
    """Put back, or only count, what somebody asks for; `clock` and `wait` as in `run`."""
    wanted = DeadWanted(asked.trigger, asked.cause, asked.since, store.now())
    if dry_run:
        return Redelivery(count(store, wanted), 0)
    work = DeadRedelivery(store, wanted)
    run(work, Pace(asked.rate), clock, wait)
    return Redelivery(work.done, 0)


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
        return max(0, int(min(self.rate, _FASTEST) * elapsed_s) + 1 - done)


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


def stop(
    store: Running, number: int, clock: Callable[[], float], wait: Callable[[float], object]
) -> bool:
    """Stop a redelivery of the console, and wait until it has ended.

    Returns:
        False: it has not ended yet, but will after the step that it is at.

    Raises:
        NotFoundError: it does not run.
    """
    if number not in store.running():
        raise NotFoundError(
            f"redelivery {number} does not run",
            hint="the console shows those that do: Dead letters",
        )
    store.stop(number, f": {STOPPED}: {OTHERS}")
    until = clock() + _STOPS_S
    while number in store.running():
        if clock() > until:
            return False
        wait(0.1)
    return True
