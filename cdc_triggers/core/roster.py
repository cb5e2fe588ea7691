"""All triggers of a stream: whose turn it is, and who holds up the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.trigger_state import TriggerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.records import TriggerRow

ACTIVE_S = 10.0
"""A trigger counts as waiting for the reader if it had an event within this time."""


class Roster:
    """The states of the applied triggers, and of dropped ones while an attempt of theirs runs.

    Attributes:
        active: by trigger id.
        departed: dropped, but with attempts in flight.
    """

    def __init__(self) -> None:
        self.active: dict[int, TriggerState] = {}
        self.departed: dict[int, TriggerState] = {}
        self._runnable: dict[int, TriggerState] = {}
        self._full: dict[int, TriggerState] = {}

    def __iter__(self) -> Iterator[TriggerState]:
        return iter([*self.active.values(), *self.departed.values()])

    def replace(self, rows: Iterable[TriggerRow]) -> list[TriggerState]:
        """The applied triggers, anew; returns the states of those that are gone."""
        before, self.active = self.active, {}
        for row in rows:
            state = before.pop(row.id, None) or TriggerState(row)
            state.update(row)
            self.active[row.id] = state
        for state in before.values():
            state.gone = True
        self.departed.update(before)
        return list(before.values())

    def forget(self) -> None:
        """Let go of dropped triggers of which nothing is in flight any more."""
        for trigger_id in [i for i, s in self.departed.items() if not s.lanes.in_flight]:
            del self.departed[trigger_id]

    def of(self, delivery: Delivery) -> TriggerState:
        """The state of the delivery's trigger; it must be active, or the delivery in flight."""
        state = self.active.get(delivery.trigger_id)
        return state if state is not None else self.departed[delivery.trigger_id]

    def run(self, state: TriggerState) -> None:
        """Give the trigger its turns if it has anything to send."""
        if state.lanes.can_take and not state.gone:
            self._runnable[state.row.id] = state

    def rest(self, state: TriggerState) -> None:
        """Its queue was taken away: no turn any more."""
        self._runnable.pop(state.row.id, None)

    def take(self, now: float) -> Delivery | None:
        """The next delivery, triggers in turn; None if nothing may be sent."""
        while self._runnable:
            trigger_id, state = next(iter(self._runnable.items()))
            del self._runnable[trigger_id]
            delivery = state.lanes.take()
            if delivery is not None:
                self.run(state)
                self.relieve(state, now)
                return delivery
        return None

    @property
    def full(self) -> list[TriggerState]:
        """Triggers that hold up the reader."""
        return list(self._full.values())

    @property
    def any_full(self) -> bool:
        """True if the reader must wait."""
        return bool(self._full)

    def fill(self, state: TriggerState, now: float) -> None:
        """Hold up the reader if the trigger's queue is full."""
        if state.full:
            state.pressure.full(now)
            self._full[state.row.id] = state

    def relieve(self, state: TriggerState, now: float) -> None:
        """Let the reader go on if enough of the trigger's queue has drained."""
        if state.row.id in self._full and state.half_empty:
            del self._full[state.row.id]
            state.pressure.relieved(now)

    def others_wait(self, state: TriggerState, now: float) -> bool:
        """True if other triggers would have work if this one did not hold up the reader."""
        return any(
            other is not state and other.active_at > now - ACTIVE_S
            for other in self.active.values()
        )
