"""All triggers of a stream: whose turn it is, and who holds up the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.memory import ANY_BYTES, is_large
from cdc_triggers.core.reach import Trials
from cdc_triggers.core.trigger_state import TriggerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.memory import Memory, Share
    from cdc_triggers.core.records import TriggerRow

ACTIVE_S = 10.0
"""A trigger counts as waiting for the reader if it had an event within this time."""

STUCK_S = 5.0
"""What waits in memory for longer, behind attempts, is written down: it must not hold the WAL, and
so the queue need not be full for it."""


class Roster:
    """The states of the applied triggers, and of dropped ones while an attempt of theirs runs.

    Attributes:
        active: by trigger id.
        departed: dropped, but with attempts in flight.
    """

    def __init__(self, memory: Memory) -> None:
        self.active: dict[int, TriggerState] = {}
        self.departed: dict[int, TriggerState] = {}
        self._memory = memory
        self._runnable: dict[int, TriggerState] = {}
        # for a first attempt and for a large one: in order of asking, so that none is passed over
        self._waiting: dict[bool, dict[int, TriggerState]] = {False: {}, True: {}}
        # the end of an attempt of theirs is their next chance, or the next tick
        self._refused: dict[int, TriggerState] = {}
        self._full: dict[int, TriggerState] = {}
        self._claims: dict[int, Share] = {}
        self._trials = Trials()

    def __iter__(self) -> Iterator[TriggerState]:
        return iter([*self.active.values(), *self.departed.values()])

    def replace(self, rows: Iterable[TriggerRow]) -> list[TriggerState]:
        """The applied triggers, anew; returns the states of those that are gone."""
        before, self.active = self.active, {}
        for row in rows:
            state = before.pop(row.id, None) or TriggerState(row, self._memory)
            state.update(row)
            self.active[row.id] = state
            self.run(state)  # it may have more places in flight now
        for state in before.values():
            state.depart()
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
        for states in (self._runnable, *self._waiting.values(), self._refused):
            states.pop(state.row.id, None)

    def take(self, now: float) -> Delivery | None:
        """The next delivery, triggers in turn; None if nothing may be sent."""
        while (state := self._next()) is not None:
            if not state.lanes.can_take:
                continue
            size = state.lanes.head.size
            if not self._memory.may_fly(size, state.lanes.flying):
                self._set_back(state, size)
            elif state.reach.lost and not self._trials.grant(now):
                self._refused[state.row.id] = state
            else:
                delivery = state.lanes.take()
                self.run(state)
                self.relieve(state, now)
                return delivery
        return None

    def wrote(self, delivery: Delivery) -> None:
        """It has a row now: a large one that is in flight needs its own no longer."""
        if not is_large(delivery.size):
            return
        state = self.active.get(delivery.trigger_id) or self.departed.get(delivery.trigger_id)
        if state is not None and delivery.token in state.lanes.in_flight:
            self._memory.afloat = 0
            delivery.forget_images()

    def tick(self) -> None:
        """Others may have made room; and who has not moved?"""
        for state in self:
            state.tick()
        self._runnable.update(self._refused)
        self._refused.clear()

    def _next(self) -> TriggerState | None:
        """Whose turn it is: whoever has waited for room and may have it now, then all in turn."""
        for large, states in self._waiting.items():
            if states and self._memory.has_room(large=large):
                state = states.pop(next(iter(states)))
                if large:
                    state.lanes.bring_back()
                return state
        runnable = self._runnable
        return runnable.pop(next(iter(runnable))) if runnable else None

    def _set_back(self, state: TriggerState, size: int) -> None:
        large = is_large(size)
        if large or not state.lanes.in_flight:
            self._waiting[large].setdefault(state.row.id, state)
        else:
            self._refused[state.row.id] = state
        if large:  # small ones of its own do not wait for it either
            state.lanes.pass_over()
            self.run(state)

    def too_slow(self, now: float, *, held: bool) -> Iterator[TriggerState]:
        """Triggers of which what waits should wait in the table; each gives way before the next.

        Those that hold up the reader and may not any longer; with `held` those too that hold the
        WAL though their queue is not full.
        """
        if held:
            yield from self._stuck(now)
        for state in self.full:
            self.relieve(state, now)
            if state.row.id in self._full and self._must_give_way(state, now):
                yield state

    def _stuck(self, now: float) -> list[TriggerState]:
        """Those whose endpoint is so slow, or tried so seldom, that what waits should be parked.

        And those that wait for room which attempts at other endpoints take, for as long as they do.
        """
        return [
            state
            for state in self.active.values()
            if (state.lanes.in_flight or state.reach.lost or self._waits(state))
            and not state.spilling
            and state.lanes.waits_since < now - STUCK_S
        ]

    def _waits(self, state: TriggerState) -> bool:
        return any(state.row.id in states for states in self._waiting.values())

    @property
    def full(self) -> list[TriggerState]:
        """Triggers that hold up the reader."""
        return list(self._full.values())

    @property
    def any_full(self) -> bool:
        """True if the reader must wait."""
        return bool(self._full)

    def fill(self, state: TriggerState, now: float) -> bool:
        """Hold up the reader if the trigger's queue is full; True: no, it must give way."""
        if not state.full:
            return False
        state.pressure.full(now)
        self._full[state.row.id] = state
        return self._must_give_way(state, now)

    def _must_give_way(self, state: TriggerState, now: float) -> bool:
        others = self._others(state, now)
        if state.stands_still(now) and any(other.row.id not in self._full for other in others):
            return True
        # who has enough in memory does not wait for the reader, nor who is fed from the table
        wait = any(other.lanes.hungry and not other.spilling for other in others)
        return state.pressure.exhausted(now, others_wait=wait)

    def relieve(self, state: TriggerState, now: float) -> None:
        """Let the reader go on if enough of the trigger's queue has drained."""
        if state.row.id in self._full and state.half_empty:
            del self._full[state.row.id]
            state.pressure.relieved(now)

    def relieve_all(self, now: float) -> None:
        """Memory was freed, whoever held it."""
        for state in self.full:
            self.relieve(state, now)

    def _others(self, state: TriggerState, now: float) -> list[TriggerState]:
        """Other triggers for which the stream had an event of late."""
        active = self.active.values()
        return [
            other for other in active if other is not state and other.active_at > now - ACTIVE_S
        ]

    def claims_due(self, now: float) -> list[tuple[int, int]]:
        """Whose parked deliveries should be fetched, and how many; who has waited longest first."""
        due = [state for state in self.active.values() if state.wants_claim(now)]
        orders = []
        for state in sorted(due, key=lambda state: state.next_claim_at or 0.0):
            share = self._memory.begin_claim(large=state.wants_large)
            if share is None:
                break
            self._claims[state.row.id] = share
            state.begin_claim()
            orders.append((state.row.id, state.claim_limit))
        return orders

    def claim_share(self, trigger_id: int) -> Share:
        """How much the claim that is under way for this trigger may bring."""
        return self._claims[trigger_id]

    def end_claim(self, trigger_id: int) -> TriggerState | None:
        """It brought what it brought; returns the state, None if the trigger was dropped."""
        share = self._claims.pop(trigger_id)
        self._memory.end_claim(share)
        state = self.active.get(trigger_id)
        if state is not None:
            state.end_claim(large=share.row_bytes == ANY_BYTES)
        return state
