"""One trigger as the engine sees it: its lanes, what of it is parked, whether it may be fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.lanes import Lanes
from cdc_triggers.core.pressure import Pressure

if TYPE_CHECKING:
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.records import TriggerRow

CAPACITY_EVENTS = 1_000
CAPACITY_PER_SLOT = 8
CAPACITY_BYTES = 16 * 1024 * 1024
ROUNDS = 16
BLOCKED_KEYS = 10_000
"""Parked keys that are remembered; with more, everything goes through the table for a while."""

POLL_S = 30.0
"""A trigger with parked deliveries is looked at this often, whatever was foreseen."""


class TriggerState:
    """Mutable; times are monotonic seconds.

    Attributes:
        blocked: parked keys, each with how many parks of it are not written yet.
        spilling: True while every event goes to the table and is fed from there, in order.
        next_claim_at: when to look for due deliveries; None: nothing is parked.
        claiming: a claim is under way.
        gone: the trigger was dropped; what is left of it is archived.
        active_at: when an event of the stream last came for it.
    """

    def __init__(self, row: TriggerRow) -> None:
        self.row = row
        self.lanes = Lanes(row.revisions[0].spec.max_in_flight)
        self.pressure = Pressure()
        self.blocked: dict[str, int] = {}
        self.spilling = row.paused
        self.next_claim_at: float | None = None
        self.claiming = False
        self.gone = False
        self.active_at = float("-inf")

    def update(self, row: TriggerRow) -> None:
        """The trigger was changed, paused or resumed."""
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
        return min(self.capacity - self.lanes.queued, ROUNDS * self.lanes.max_in_flight)

    @property
    def full(self) -> bool:
        """True if no more may be queued."""
        lanes = self.lanes
        return lanes.queued >= self.capacity or (lanes.size >= CAPACITY_BYTES and lanes.queued > 0)

    @property
    def half_empty(self) -> bool:
        """True if a reader that stopped may go on."""
        return (
            self.lanes.queued <= self.capacity // 2 and self.lanes.size <= CAPACITY_BYTES // 2
        ) or not self.lanes.queued

    @property
    def crowded(self) -> bool:
        """True if more keys are parked than should be remembered."""
        return len(self.blocked) > BLOCKED_KEYS

    def is_blocked(self, delivery: Delivery) -> bool:
        """True if an earlier delivery of one of its keys is parked."""
        blocked = self.blocked
        return bool(blocked) and any(key in blocked for key in delivery.keys)

    def block(self, delivery: Delivery) -> None:
        """A park of this delivery is about to be written."""
        for key in delivery.keys:
            self.blocked[key] = self.blocked.get(key, 0) + 1

    def block_written(self, delivery: Delivery) -> None:
        """The park was written: the key stays blocked until the table has nothing of it."""
        for key in delivery.keys:
            left = self.blocked[key] = self.blocked.get(key, 1) - 1
            if not left and self.spilling:
                del self.blocked[key]  # the table knows; memory stays bounded

    def unblock(self, key: str) -> None:
        """The table has nothing of this key any more."""
        if self.blocked.get(key) == 0:
            del self.blocked[key]

    def stop_spilling(self, keys: frozenset[str]) -> None:
        """So little is left in the table that its keys can be remembered again."""
        pending = {key: count for key, count in self.blocked.items() if count}
        self.blocked = {**dict.fromkeys(keys, 0), **pending}
        self.spilling = False

    def claim_at(self, when: float) -> None:
        """Look for due deliveries at this time, or earlier if that was foreseen already."""
        if self.next_claim_at is None or when < self.next_claim_at:
            self.next_claim_at = when

    def wants_claim(self, now: float) -> bool:
        """True if due deliveries should be fetched now."""
        return (
            self.next_claim_at is not None
            and self.next_claim_at <= now
            and not self.claiming
            and not self.gone
            and not self.row.paused
            and self.half_empty
        )
