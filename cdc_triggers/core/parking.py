"""What is written down, and when it counts: every way by which a delivery leaves memory.

The one place that makes records. A delivery is settled by the write that records its 2xx or parks
it, never before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.delivery import Delivery, Row
from cdc_triggers.core.memory import MIB
from cdc_triggers.core.outbox import Outbox
from cdc_triggers.core.records import ParkRow, Resolution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.core.memory import Memory
    from cdc_triggers.core.trigger_state import TriggerState

OUTBOX_RECORDS = 5_000
OUTBOX_BYTES = 16 * MIB
"""Unwritten records at which intake and sending wait for the store."""

OUTBOX_PARKS = 1_000
"""Unwritten parks at which intake waits: they take some 40 ms to write, and meanwhile nothing comes
out of the table."""

HOLD_MARGIN_S = 30.0
"""How much longer than its timeout an attempt in flight keeps its row."""


class Parking:
    """Turns what happens to deliveries into records."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.outbox = Outbox(memory)

    @property
    def behind(self) -> bool:
        """True if so much is unwritten that nothing more should be started."""
        memory = self._memory
        return (
            self.crowded
            or len(self.outbox) >= OUTBOX_RECORDS
            or self.outbox.size >= OUTBOX_BYTES
            or (memory.free <= 0 and memory.unwritten > 0)
        )

    @property
    def crowded(self) -> bool:
        """True if so much is being parked that whoever waits for a row of it would wait long."""
        return len(self.outbox.parks) >= OUTBOX_PARKS

    @property
    def far_behind(self) -> bool:
        """True if so many attempts are unrecorded that no more should be made.

        Parks do not count: whoever is being spilled must not stop those who can be delivered.
        """
        return len(self.outbox.attempts) >= OUTBOX_RECORDS or self.outbox.size >= 2 * OUTBOX_BYTES

    def take_outbox(self) -> Outbox:
        """What must be written in one transaction; a new outbox collects what comes after."""
        outbox, self.outbox = self.outbox, Outbox(self._memory)
        return outbox

    def delivered(self, delivery: Delivery) -> None:
        """A 2xx came: nothing more is owed."""
        if delivery.row is Row.PRESENT:
            self._resolve(delivery, "delivered", 0.0, None)
        else:
            self.outbox.settle(delivery)

    def failed(self, state: TriggerState, delivery: Delivery, delay_s: float, error: str) -> None:
        """It will be attempted again after `delay_s`; its followers wait behind it."""
        if delivery.row is Row.PRESENT:
            self._resolve(delivery, "retry", delay_s, error)
        else:
            self._park(state, delivery, "failed", delay_s=delay_s, error=error)
        self._park_behind(state, delivery)

    def dead(self, state: TriggerState, delivery: Delivery, error: str) -> None:
        """Retries are used up: it is kept, and holds nobody back."""
        if delivery.row is Row.PRESENT:
            self._resolve(delivery, "dead", 0.0, error)
        else:
            self._park(state, delivery, "failed", status="dead", error=error)

    def slow(self, state: TriggerState, until: float) -> None:
        """Attempts that began before then run on: parked with a claim on them, results follow."""
        for delivery in state.lanes.in_flight.values():
            if delivery.started > until:
                break  # in order of their start
            if delivery.row is Row.ABSENT:
                self._hold(state, delivery)
                self._park_behind(state, delivery)

    def empty(self, state: TriggerState, reason: str) -> None:
        """Write down all that waits, and first what is in flight.

        Nothing may become durable while an earlier one of its keys is not: that one would come
        behind it, after a crash from the stream, or from the table if it fails.
        """
        for delivery in state.lanes.in_flight.values():
            if delivery.row is Row.ABSENT:
                self._hold(state, delivery)
        self.set_aside(state, state.lanes.evict(), reason)

    def set_aside(self, state: TriggerState, deliveries: Iterable[Delivery], reason: str) -> None:
        """Deliveries that were not attempted: parked, or given back to the table they came from."""
        for delivery in deliveries:
            if delivery.row is Row.PRESENT:
                self._resolve(delivery, "release", 0.0, None)
            else:
                self._park(state, delivery, reason)

    def _hold(self, state: TriggerState, delivery: Delivery) -> None:
        timeout_s = state.row.revisions[0].spec.retry_conf.timeout_sec
        self._park(state, delivery, "slow", hold_s=timeout_s + HOLD_MARGIN_S)

    def _park_behind(self, state: TriggerState, delivery: Delivery) -> None:
        behind = state.lanes.followers(delivery)
        crossing = any(d.old_key is not None and d.row is Row.ABSENT for d in behind)
        self.set_aside(state, behind, "behind")
        if crossing:
            # its other lane has earlier ones; keys change seldom, so no finer rule is worth it
            self.empty(state, "behind")

    def _park(
        self,
        state: TriggerState,
        delivery: Delivery,
        reason: str,
        *,
        status: str = "parked",
        delay_s: float = 0.0,
        hold_s: float | None = None,
        error: str | None = None,
    ) -> None:
        assert delivery.row is Row.ABSENT, "parked twice"
        delivery.row = Row.PENDING
        if status == "parked":
            state.block(delivery)
        row = ParkRow(
            token=delivery.token,
            trigger_id=delivery.trigger_id,
            trigger_name=state.row.name,
            revision=delivery.revision.number,
            event=delivery.event,
            status=status,
            reason=reason,
            key=delivery.key,
            old_key=delivery.old_key,
            tries=delivery.tries,
            delay_s=delay_s,
            hold_s=hold_s,
            last_error=error,
        )
        self.outbox.park(delivery, row)
        self.outbox.settle(delivery)

    def _resolve(self, delivery: Delivery, outcome: str, delay_s: float, error: str | None) -> None:
        row = Resolution(delivery.row_id, outcome, delivery.tries, delay_s, error)
        self.outbox.resolve(delivery, row)
