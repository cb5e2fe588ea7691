"""A recovery without PostgreSQL: the slot's log is the event log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.lsn import ZERO, Lsn
from cdc_triggers.core.messages import Commit, LogRow
from cdc_triggers.core.records import Lease
from cdc_triggers.core.recovery import OwedRow
from cdc_triggers.errors import FencedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.core.records import ParkRow
    from cdc_triggers.testing.database import MemoryDatabase
    from cdc_triggers.testing.source import Slot


class MemoryRecovery:
    """Implements `ports.LogRecovery` over a `MemoryDatabase` and the `Slot` that was lost."""

    def __init__(self, database: MemoryDatabase, slot: Slot, holder: str) -> None:
        self.database = database
        self._slot = slot
        self._holder = holder
        self._owed: list[OwedRow] = []

    def begin(self, reason: str) -> Lsn:
        """See `ports.LogRecovery.begin`."""
        del reason
        self._fence()
        self.database.recovering = True
        progress = self.database.progress
        return ZERO if progress is None else progress.settled_lsn

    def renew_slot(self, plugin: str) -> None:
        """See `ports.LogRecovery.renew_slot`: the new one begins behind all there is."""
        settled = self.begin("")
        commits = [(each, each[-1]) for each in self._slot.log]
        self._owed = [
            OwedRow(row, self._delivered(row.id.decode()))
            for each, commit in commits
            if isinstance(commit, Commit) and commit.commit_lsn >= settled
            for row in each
            if isinstance(row, LogRow)
        ]
        self._slot.plugin = plugin
        ends = [commit.end_lsn for _, commit in commits if isinstance(commit, Commit)]
        self._slot.confirmed = max([settled, *ends])

    def seen(self) -> bool:
        """See `ports.LogRecovery.seen`; in memory every commit is visible at once."""
        return True

    def read(self) -> Sequence[OwedRow]:
        """See `ports.LogRecovery.read`."""
        some, self._owed = self._owed[:2], self._owed[2:]
        return some

    def park(self, rows: Sequence[ParkRow]) -> int:
        """See `ports.LogRecovery.park`."""
        self._fence()
        before = len(self.database.deliveries)
        self.database.park(rows, self._holder)
        count = len(self.database.deliveries) - before
        self.database.recovered += count
        return count

    def finish(self) -> Lease:
        """See `ports.LogRecovery.finish`."""
        self._fence()
        database = self.database
        database.recovering = False
        database.recoveries += 1
        delivered = 0
        if database.progress is not None:
            delivered = database.progress.delivered
            database.progress = database.progress._replace(settled_lsn=self._slot.confirmed)
        return Lease(delivered, database.recoveries, database.recovered)

    def cancel(self) -> None:
        """See `ports.LogRecovery.cancel`: nothing here waits."""

    def close(self) -> None:
        """See `ports.LogRecovery.close`."""
        self._owed = []

    def _delivered(self, event_id: str) -> frozenset[int]:
        return frozenset(
            a.trigger_id
            for a in self.database.attempts
            if a.event_id == event_id and a.outcome == "delivered"
        )

    def _fence(self) -> None:
        if self.database.holder != self._holder:
            raise FencedError("another stream has taken over")
