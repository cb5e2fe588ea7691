"""One trigger as the engine sees it: its lanes, what of it is parked, whether it may be fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.lanes import Lanes
from cdc_triggers.core.memory import MIB
from cdc_triggers.core.parked_keys import ParkedKeys
from cdc_triggers.core.pressure import Pressure
from cdc_triggers.core.reach import Reach

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.memory import Memory
    from cdc_triggers.core.records import TriggerRow

CAPACITY_EVENTS = 1_000
CAPACITY_PER_SLOT = 8
CAPACITY_BYTES = 16 * MIB
ROUNDS = 16
BLOCKED_KEYS = 10_000
"""Parked keys that are remembered; with more, everything goes through the table for a while."""

SMALL_CLAIMS = 16
"""Claims that bring no large row although small ones are due: the stream waits for large ones."""

LARGE_S = 0.25
"""How soon it is looked again for a large row, while another one is in memory."""

STILL_S = 0.25
"""A trigger of which no attempt has ended for so long stands still. Half of a full queue is four
rounds of `max_in_flight`, if not more: it cannot take them within its budget of a second."""

STILL_TICKS = 3
"""And so many ticks: in one the loop may have stood still itself, with the answers unread."""

POLL_S = 30.0
"""A trigger with parked deliveries is looked at this often, whatever was foreseen."""


class TriggerState:
    """Mutable; times are monotonic seconds.

    Attributes:
        blocked: parked keys, as far as they are remembered.
        spilling: True while every event goes to the table and is fed from there, in order.
        next_claim_at: when to look for due deliveries; None: nothing is parked.
        claiming: a claim is under way.
        wants_large: its next claim should bring a large row too, if that may be.
        rounds: how many times `max_in_flight` a claim may bring. It grows as long as attempts end
            well: a failure gives back all that was claimed behind it, at two writes a row.
        reach: whether its endpoint can be reached.
        gone: the trigger was dropped; what is left of it is archived.
        active_at: when an event of the stream last came for it.
    """

    def __init__(self, row: TriggerRow, memory: Memory) -> None:
        self.row = row
        self.lanes = Lanes(row.revisions[0].spec.max_in_flight, memory)
        self.pressure = Pressure()
        self.blocked = ParkedKeys(memory)
        self.spilling = row.paused
        self.next_claim_at: float | None = None
        self.claiming = self.wants_large = False
        self._small_claims = 0
        self.rounds = 1
        self.reach = Reach()
        self._still_ticks = 0
        self.gone = False
        self.active_at = float("-inf")
        self._memory = memory

    def update(self, row: TriggerRow) -> None:
        """The trigger was changed, paused or resumed."""
        if row.revisions[0].number != self.row.revisions[0].number:
            self.reach.forget()
        self.row = row
        self.lanes.max_in_flight = row.revisions[0].spec.max_in_flight
        self.spilling = self.spilling or row.paused

    @property
    def capacity(self) -> int:
        """Deliveries that may queue in memory."""
        return max(CAPACITY_EVENTS, CAPACITY_PER_SLOT * self.lanes.max_in_flight)

    @property
    def claim_limit(self) -> int:
        """How many to fetch: no more than can be attempted long before their claims end."""
        rounds = 1 if self.reach.lost else self.rounds
        return min(self.capacity - self.lanes.queued, rounds * self.lanes.max_in_flight)

    @property
    def full(self) -> bool:
        """True if no more may be queued."""
        lanes = self.lanes
        return lanes.queued >= self.capacity or (
            lanes.queued > 0
            and (lanes.size >= CAPACITY_BYTES or lanes.queued_size >= self._memory.free)
        )

    @property
    def half_empty(self) -> bool:
        """True if a reader that stopped may go on."""
        lanes = self.lanes
        return not lanes.queued or (
            lanes.queued <= self.capacity // 2
            and lanes.size <= CAPACITY_BYTES // 2
            and lanes.queued_size <= self._memory.free // 2
        )

    @property
    def crowded(self) -> bool:
        """True if its events should wait in the table.

        More keys are parked than should be remembered, or there is no end of what waits for an
        endpoint that is out of reach.
        """
        return (
            len(self.blocked) > BLOCKED_KEYS
            or self.blocked.size > self._memory.free_keys
            or (self.reach.lost and self.lanes.queued >= self.lanes.max_in_flight)
        )

    def ended(self, outcome: Outcome) -> None:
        """An attempt ended."""
        self._still_ticks = 0
        self.reach.ended(outcome)

    def tick(self) -> None:
        """Time has passed, and the loop has taken what came in it."""
        self._still_ticks = self._still_ticks + 1 if self.lanes.in_flight else 0

    def stands_still(self, now: float) -> bool:
        """True if its attempts run, and none has ended for a while."""
        if self._still_ticks < STILL_TICKS:
            return False
        oldest = next(iter(self.lanes.in_flight.values()), None)
        return oldest is not None and oldest.started <= now - STILL_S

    def is_blocked(self, delivery: Delivery) -> bool:
        """True if an earlier delivery of one of its keys is parked."""
        blocked = self.blocked.counts
        return bool(blocked) and any(key in blocked for key in delivery.keys)

    def remember(self, keys: frozenset[str] | None) -> None:
        """The table holds something of these keys; None: of more than can be remembered."""
        self.blocked.remember(keys or ())
        if keys is None or self.crowded:
            self.spill()

    def spill(self) -> None:
        """From here on all its events go through the table, which knows what is parked."""
        self.spilling = True
        self.blocked.forget_written()

    def block(self, delivery: Delivery) -> None:
        """A park of this delivery is about to be written."""
        if not self.gone:
            for key in delivery.keys:
                self.blocked.park(key)

    def block_written(self, delivery: Delivery) -> None:
        """The park was written: the key stays blocked until the table has nothing of it."""
        for key in delivery.keys:
            if not self.blocked.written(key) and self.spilling:
                self.blocked.forget(key)  # the table knows; memory stays bounded

    def unblock(self, key: str) -> None:
        """The table has nothing of this key any more."""
        self.blocked.forget(key)

    def stop_spilling(self, keys: frozenset[str]) -> None:
        """So little is left in the table that its keys can perhaps be remembered again."""
        self.blocked.forget_written()
        self.spilling = False
        self.remember(keys)

    def depart(self) -> None:
        """The trigger was dropped."""
        self.gone = True
        self.blocked.clear()

    def claim_at(self, when: float) -> None:
        """Look for due deliveries at this time, or earlier if that was foreseen already."""
        if self.next_claim_at is None or when < self.next_claim_at:
            self.next_claim_at = when

    def begin_claim(self) -> None:
        """What is due is being fetched."""
        self.claiming = True
        self.next_claim_at = None

    def end_claim(self, *, large: bool) -> None:
        """It is here. Most claims bring no large row, now and then one should, if any is due."""
        self.claiming = False
        self._small_claims = 0 if large else self._small_claims + 1
        self.wants_large = self._small_claims >= SMALL_CLAIMS

    def went_well(self) -> None:
        """An attempt of a delivery from the stream ended well: a claim may bring more."""
        self.rounds = min(ROUNDS, self.rounds + 1)

    def look_again(self, found: int, next_due_s: float | None, now: float) -> None:
        """A claim found so many rows, or none: then `next_due_s` says when the next is due."""
        if found:
            self.rounds = min(ROUNDS, 2 * self.rounds)
            self.claim_at(now)
        elif next_due_s is not None:
            if next_due_s <= 0:  # it is large, and perhaps there is already one in memory
                next_due_s = LARGE_S if self.wants_large else 0.0
                self.wants_large = True
            self.claim_at(now + min(next_due_s, POLL_S))
        elif self.spilling or self.blocked:
            self.claim_at(now + POLL_S)

    def wants_claim(self, now: float) -> bool:
        """True if due deliveries should be fetched now."""
        return (
            self.next_claim_at is not None
            and self.next_claim_at <= now
            and not self.claiming
            and not self.gone
            and not self.row.paused
            and self._has_use(now)
        )

    def _has_use(self, now: float) -> bool:
        """True if what is fetched could be sent soon; else some of it, to see how that ends."""
        if self.reach.lost or self.stands_still(now):
            return not self.lanes.queued
        return self.half_empty
