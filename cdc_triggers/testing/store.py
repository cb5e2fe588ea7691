"""A store without PostgreSQL: the lease, the fence, parked deliveries, attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.done import Done
from cdc_triggers.core.records import BatchResult, Claimed, Lease, StartState
from cdc_triggers.core.trigger_state import BLOCKED_KEYS
from cdc_triggers.errors import ConnectionLostError, FencedError, SlotError, SlotLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.memory import Share
    from cdc_triggers.core.records import Batch, TriggerRow
    from cdc_triggers.testing.database import MemoryDatabase
    from cdc_triggers.testing.source import Slot

CLAIM_S = 3600.0
REMEMBER = 1_000


class MemoryStore:
    """Implements `ports.Store` over a `MemoryDatabase`, one object per process of the stream.

    Args:
        holder: this process's name, different from all others.
        remember: with so few parked deliveries left a spilling trigger goes back to its stream.

    Attributes:
        before_write: called with every batch; what it raises means that nothing was written.
        after_write: the same, but the batch is written and only its answer is lost.
    """

    def __init__(
        self, database: MemoryDatabase, slot: Slot, holder: str, *, remember: int = REMEMBER
    ) -> None:
        self.database = database
        self.before_write: Callable[[Batch], None] = _nothing
        self.after_write: Callable[[Batch], None] = _nothing
        self._slot = slot
        self._holder = holder
        self._remember = remember
        self._generation = 0
        self._session: object | None = None  # its connection

    def take_lease(self, lease_s: float) -> Lease | None:
        """See `ports.Store.take_lease`."""
        db = self.database
        self._connect()
        if db.session not in {None, self._session}:
            if db.heartbeat_at < db.clock.now() - lease_s:
                db.ended.add(db.session)
                db.session = None
            return None
        sign_of_life = db.heartbeat_at >= db.clock.now() - lease_s
        if db.holder not in {None, self._holder, *db.dead} and sign_of_life:
            return None
        db.session = self._session
        db.free_claims(db.holder)
        db.generation += 1
        db.holder, db.heartbeat_at = self._holder, db.clock.now()
        self._generation = db.generation
        db.heal()
        return Lease(db.progress.delivered if db.progress else 0, db.recoveries, db.recovered)

    def check_slot(self, plugin: str) -> Lsn:
        """See `ports.Store.check_slot`."""
        self._connect()
        if plugin != self._slot.plugin:
            raise SlotError(f"the slot is of plugin {self._slot.plugin}, not {plugin}")
        if self.database.recovering:
            raise SlotLostError("a recovery was interrupted")
        recorded = self.database.progress
        if recorded is not None and self._slot.confirmed > recorded.settled_lsn:
            raise SlotLostError("somebody else has moved the slot")
        return self._slot.confirmed if recorded is None else recorded.settled_lsn

    def heartbeat(self, ahead_s: float = 0.0) -> None:
        """See `ports.Store.heartbeat`."""
        self._connect()
        self._fence()
        self.database.heartbeat_at = self.database.clock.now() + ahead_s

    def load_start(self, plugin: str) -> StartState:
        """See `ports.Store.load_start`."""
        begins = self.check_slot(plugin)
        db = self.database
        parked = {i: db.remaining(i, BLOCKED_KEYS) for i in db.triggers}
        return StartState(
            begins=begins,
            done=Done(db.done(begins)),
            parked_keys={i: keys for i, (_, keys) in parked.items()},
            parked_triggers=frozenset(i for i, (some, _) in parked.items() if some),
        )

    def sees(self, xid: int) -> bool:
        """See `ports.Store.sees`; in memory every commit is visible at once."""
        del xid
        self._connect()
        return True

    def load_triggers(self) -> Sequence[TriggerRow]:
        """See `ports.Store.load_triggers`."""
        self._connect()
        return [self.database.triggers[i] for i in sorted(self.database.triggers)]

    def write(self, batch: Batch) -> BatchResult:
        """See `ports.Store.write`."""
        self._connect()
        self.before_write(batch)
        self._fence()
        db = self.database
        db.heartbeat_at, db.progress = max(db.heartbeat_at, db.clock.now()), batch.progress
        row_ids = db.park(batch.parks, self._holder)
        db.attempts.extend(batch.attempts)
        freed = db.resolve(batch.resolutions)
        self.after_write(batch)
        return BatchResult(row_ids, freed)

    def claim(
        self, trigger_id: int, limit: int, share: Share
    ) -> tuple[Sequence[Claimed], float | None]:
        """See `ports.Store.claim`."""
        self._connect()
        db = self.database
        trigger = db.triggers.get(trigger_id)
        if trigger is None or trigger.paused:
            return [], 1.0
        rows = db.claim(trigger_id, limit, share, hold_s=CLAIM_S, holder=self._holder)
        if not rows:
            next_due_s = db.next_due_s(trigger_id)
            return [], None if next_due_s is None else max(0.0, next_due_s)
        return [
            Claimed(r.id, trigger_id, r.revision, r.key, r.old_key, r.tries, r.event) for r in rows
        ], None

    def remaining(self, trigger_id: int) -> frozenset[str] | None:
        """See `ports.Store.remaining`."""
        self._connect()
        return self.database.remaining(trigger_id, self._remember)[1]

    def end_reader(self) -> None:
        """See `ports.Store.end_reader`: in memory nobody else reads."""
        self._connect()

    def hang_up(self) -> None:
        """See `ports.Store.hang_up`."""
        if self._session is not None:
            self.database.ended.add(self._session)

    def hung_up(self) -> bool:
        """See `ports.Store.hung_up`."""
        return self._session is None or self._session in self.database.ended

    def close(self) -> None:
        """See `ports.Store.close`; a later call connects again, without the lease."""
        if self._session is not None and self.database.session is self._session:
            self.database.session = None
            self.database.holder = None
            self.database.free_claims(self._holder)
        self._session = None

    def _fence(self) -> None:
        if self.database.generation != self._generation:
            raise FencedError("another stream has taken over")

    def _connect(self) -> None:
        if self._session in self.database.ended:
            self._session = None
            raise ConnectionLostError("the server ended this session")
        self._session = self._session or object()


def _nothing(batch: Batch) -> None:
    del batch
