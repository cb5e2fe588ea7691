"""Parked deliveries and their chains in memory, by the very rules of `sql/queries/store_*.sql`.

One method per query, of the same name: whoever changes a query changes its twin here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdc_triggers.core.event import Event
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.memory import Share
    from cdc_triggers.core.records import AttemptRow, ParkRow, Progress, Resolution, TriggerRow
    from cdc_triggers.ports import Clock


@dataclass(slots=True)
class DeliveryRow:
    """A row of `cdc_triggers.delivery`. Times are seconds since 1970."""

    id: int
    trigger_id: int
    revision: int
    event: Event
    status: str
    reason: str
    key: str | None
    old_key: str | None
    tries: int
    due_at: float | None
    claimed_until: float | None
    claimed_by: str | None
    last_error: str | None

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the stream."""
        return self.event.commit_lsn, self.event.position

    def stands_in(self, chain: str | None) -> bool:
        """True if it is one of the chain of this key."""
        return chain is not None and chain in (self.key, self.old_key)


def _up_to(size: int, chain: list[DeliveryRow]) -> list[DeliveryRow]:
    """The chain before the first row that is larger."""
    return list(takewhile(lambda row: row.event.size <= size, chain))


class MemoryDatabase:
    """The tables. Outlives the `MemoryStore`s that write to it.

    Attributes:
        triggers: the applied triggers by id; change it as `apply`, pause and drop would.
        deliveries: parked and dead deliveries by row id, those of dropped triggers too.
        attempts: all recorded attempts, oldest first.
        progress: what the last write said.
        recovering, recoveries, recovered: as in `cdc_triggers.stream`.
        generation, holder: the lease; `session` is the connection that holds its lock,
            `ended` are those that were terminated, `dead` the holders known to be.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.triggers: dict[int, TriggerRow] = {}
        self.deliveries: dict[int, DeliveryRow] = {}
        self.attempts: list[AttemptRow] = []
        self.progress: Progress | None = None
        self.recovering = False
        self.recoveries = 0
        self.recovered = 0
        self.generation = 0
        self.holder: str | None = None
        self.session: object | None = None
        self.ended: set[object | None] = set()
        self.dead: set[str] = set()
        self.heartbeat_at = clock.now()
        self._last_id = 0

    def parked(self, trigger_id: int) -> list[DeliveryRow]:
        """Parked deliveries of a trigger, in stream order."""
        rows = (r for r in self.deliveries.values() if r.trigger_id == trigger_id)
        return sorted((r for r in rows if r.status == "parked"), key=lambda r: r.place)

    def done(self, begins: Lsn) -> frozenset[tuple[str, int]]:
        """`store_done.sql`."""
        delivered = {
            (a.event_id, a.trigger_id)
            for a in self.attempts
            if a.outcome == "delivered" and a.commit_lsn >= begins
        }
        return frozenset(delivered) | {
            (r.event.id, r.trigger_id)
            for r in self.deliveries.values()
            if r.event.commit_lsn >= begins
        }

    def heal(self) -> None:
        """`store_heal.sql`."""
        for row in self.deliveries.values():
            if row.status == "parked" and row.due_at is None and self._heads(row):
                row.due_at = self.clock.now()

    def free_claims(self, holder: str | None) -> None:
        """End the claims of a holder, as `store_take_lease.sql` does."""
        for row in self.deliveries.values():
            if row.claimed_by is not None and row.claimed_by == holder:
                row.claimed_until = row.claimed_by = None

    def park(self, staged: Sequence[ParkRow], holder: str) -> dict[int, int]:
        """`store_park.sql` and `store_parked_ids.sql`: token to row id of attempts in flight."""
        known = {(r.trigger_id, r.event.id): r for r in self.deliveries.values()}
        new = [p for p in staged if (p.trigger_id, p.event.id) not in known]
        first = [(p, chain) for p in new for chain in _chains(p) if self._opens(p, chain, new)]
        for p, chain in first:
            for row in self.parked(p.trigger_id):
                if row.stands_in(chain) and row.place > _place(p):
                    row.due_at = None
        opened = {(p.token, chain) for p, chain in first}
        for p in sorted(new, key=_place):
            heads = all((p.token, chain) in opened for chain in _chains(p))
            known[p.trigger_id, p.event.id] = self._insert(p, holder, heads=heads)
        return {p.token: known[p.trigger_id, p.event.id].id for p in staged if p.hold_s is not None}

    def resolve(self, resolutions: Iterable[Resolution]) -> frozenset[tuple[int, str]]:
        """`store_resolve_*.sql`, then `store_promote.sql`: the chains of which nothing is left."""
        found = [(self.deliveries[r.row_id], r) for r in resolutions if r.row_id in self.deliveries]
        gone: set[tuple[int, str]] = set()
        for row, resolution in found:
            if resolution.outcome in {"delivered", "dead"}:
                self._end(row, resolution)
                chains = (row.key, row.old_key)
                gone.update((row.trigger_id, chain) for chain in chains if chain is not None)
        freed = self._promote(gone)
        for row, resolution in found:
            if resolution.outcome in {"retry", "release"}:
                self._give_back(row, resolution)
        return freed

    def claim(
        self, trigger_id: int, limit: int, share: Share, *, hold_s: float, holder: str
    ) -> list[DeliveryRow]:
        """`store_claim.sql`, in stream order."""
        due = [r for r in self._due(trigger_id) if r.event.size <= share.row_bytes]
        heads = sorted(due, key=lambda r: (r.due_at or 0.0, r.place))[:limit]
        each = max(0, limit // max(1, len(heads)) - 1)
        hopeful = [head for head in heads if not head.tries]
        followers = [self._followers(head)[:each] for head in hopeful]
        run = [*heads, *(f for chain in followers for f in _up_to(share.row_bytes, chain))]
        claimed = []
        size = 0
        for row in sorted(run, key=lambda r: r.place):
            if size < share.bytes:
                row.claimed_until = self.clock.now() + hold_s
                row.claimed_by = holder
                claimed.append(row)
            size += row.event.size
        return claimed

    def next_due_s(self, trigger_id: int) -> float | None:
        """`store_next_due.sql`."""
        now = self.clock.now()
        due = [
            row.due_at
            for row in self.parked(trigger_id)
            if row.due_at is not None and (row.claimed_until is None or row.claimed_until < now)
        ]
        return min(due) - now if due else None

    def remaining(self, trigger_id: int, limit: int) -> tuple[bool, frozenset[str] | None]:
        """`store_remaining.sql`: whether anything is parked, and its keys; None: more rows."""
        rows = self.parked(trigger_id)
        if len(rows) > limit:
            return True, None
        return bool(rows), frozenset(k for r in rows for k in (r.key, r.old_key) if k is not None)

    def _insert(self, p: ParkRow, holder: str, *, heads: bool) -> DeliveryRow:
        now = self.clock.now()
        self._last_id += 1
        row = self.deliveries[self._last_id] = DeliveryRow(
            id=self._last_id,
            trigger_id=p.trigger_id,
            revision=p.revision,
            event=p.event._replace(trigger_name=p.trigger_name),
            status=p.status,
            reason=p.reason,
            key=p.key,
            old_key=p.old_key,
            tries=p.tries,
            due_at=now + p.delay_s if heads and p.status == "parked" else None,
            claimed_until=None if p.hold_s is None else now + p.hold_s,
            claimed_by=None if p.hold_s is None else holder,
            last_error=p.last_error,
        )
        return row

    def _opens(self, p: ParkRow, chain: str, staged: Sequence[ParkRow]) -> bool:
        """True if nothing of the chain comes before it, neither staged nor parked."""
        if any(
            other.trigger_id == p.trigger_id
            and chain in _chains(other)
            and _place(other) < _place(p)
            for other in staged
        ):
            return False
        return all(
            not row.stands_in(chain) or row.place >= _place(p) for row in self.parked(p.trigger_id)
        )

    def _heads(self, row: DeliveryRow) -> bool:
        """True if nothing is before it, in none of its chains."""
        return not any(
            other.place < row.place and (other.stands_in(row.key) or other.stands_in(row.old_key))
            for other in self.parked(row.trigger_id)
        )

    def _end(self, row: DeliveryRow, resolution: Resolution) -> None:
        if resolution.outcome == "delivered":
            del self.deliveries[row.id]
            return
        row.claimed_until = row.claimed_by = row.due_at = None
        row.status, row.tries, row.last_error = "dead", resolution.tries, resolution.last_error

    def _give_back(self, row: DeliveryRow, resolution: Resolution) -> None:
        row.claimed_until = row.claimed_by = None
        if resolution.outcome == "retry":
            row.reason, row.tries, row.last_error = (
                "failed",
                resolution.tries,
                resolution.last_error,
            )
            heads = self._heads(row)
            row.due_at = self.clock.now() + resolution.delay_s if heads else None

    def _promote(self, gone: Iterable[tuple[int, str]]) -> frozenset[tuple[int, str]]:
        freed = set()
        for trigger_id, chain in gone:
            head = next((r for r in self.parked(trigger_id) if r.stands_in(chain)), None)
            if head is None:
                freed.add((trigger_id, chain))
            elif head.due_at is None and (head.old_key is None or self._heads(head)):
                head.due_at = self.clock.now()
        return frozenset(freed)

    def _due(self, trigger_id: int) -> list[DeliveryRow]:
        now = self.clock.now()
        return [
            row
            for row in self.parked(trigger_id)
            if row.due_at is not None
            and row.due_at <= now
            and (row.claimed_until is None or row.claimed_until < now)
        ]

    def _followers(self, head: DeliveryRow) -> list[DeliveryRow]:
        """What may be claimed with a head: its run up to one that stands in two chains."""
        if head.key is None or head.old_key is not None:
            return []
        chain = [r for r in self.parked(head.trigger_id) if r.stands_in(head.key)]
        double = min((r.place for r in chain if r.old_key is not None), default=None)
        return [
            r
            for r in chain
            if r.key == head.key and r.place > head.place and (double is None or r.place < double)
        ]


def _place(p: ParkRow) -> tuple[int, int]:
    return p.event.commit_lsn, p.event.position


def _chains(p: ParkRow) -> tuple[str, ...]:
    if p.status != "parked":
        return ()
    return tuple(chain for chain in (p.key, p.old_key) if chain is not None)
