"""Lanes against the plainest model: a list of what is queued, in stream order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.deliveries import delivery

from cdc_triggers.core.lanes import Lanes
from cdc_triggers.core.memory import Memory

if TYPE_CHECKING:
    from cdc_triggers.core.delivery import Delivery

keys = st.sampled_from([(None, None), ("a", None), ("b", None), ("a", "b"), ("b", "c"), ("c", "a")])
MAX_IN_FLIGHT = 3


class LanesMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.lanes = Lanes(MAX_IN_FLIGHT, self.memory)
        self.here: list[Delivery] = []
        self.flying: list[Delivery] = []
        self.passed_over: list[Delivery] = []
        self.count = 0

    def free(self, one: Delivery) -> bool:
        """True if nothing before it shares a key with it."""
        earlier = self.here[: self.here.index(one)]
        return not any(set(each.keys) & set(one.keys) for each in earlier)

    def behind(self, first: Delivery) -> list[Delivery]:
        """All that must not overtake it, directly or through another."""
        held = [first]
        for each in self.here[self.here.index(first) + 1 :]:
            if any(set(each.keys) & set(other.keys) for other in held):
                held.append(each)
        return held[1:]

    @rule(keys=keys)
    def offer(self, keys: tuple[str | None, str | None]) -> None:
        self.count += 1
        new = delivery(self.count, keys)
        self.here.append(new)
        self.lanes.offer(new)

    @rule()
    def take(self) -> None:
        gone = [*self.flying, *self.passed_over]
        ready = [each for each in self.here if each not in gone and self.free(each)]
        may = bool(ready) and len(self.flying) < MAX_IN_FLIGHT
        assert self.lanes.can_take == may
        assert self.lanes.hungry == (not ready and len(self.flying) < MAX_IN_FLIGHT)
        head = self.lanes.head if may else None
        taken = self.lanes.take()
        if not may:
            assert taken is None
            return
        assert taken in ready
        assert taken is head
        self.flying.append(taken)

    @precondition(lambda self: self.lanes.can_take)
    @rule()
    def pass_over(self) -> None:
        self.passed_over.append(self.lanes.head)
        self.lanes.pass_over()

    @rule()
    def bring_back(self) -> None:
        self.lanes.bring_back()
        if self.passed_over and self.lanes.can_take:
            assert self.lanes.head is self.passed_over[0]
        self.passed_over = []

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        done = data.draw(st.sampled_from(self.flying))
        self.lanes.release(done)
        self.flying.remove(done)
        self.here.remove(done)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def take_out_followers(self, data: st.DataObject) -> None:
        first = data.draw(st.sampled_from(self.flying))
        expected = self.behind(first)
        assert self.lanes.followers(first) == expected
        self.here = [each for each in self.here if each not in expected]

    @rule()
    def evict(self) -> None:
        expected = [each for each in self.here if each not in self.flying]
        assert self.lanes.evict() == expected
        self.passed_over = []
        self.here = [each for each in self.here if each in self.flying]

    @invariant()
    def counts_agree(self) -> None:
        assert list(self.lanes.in_flight.values()) == self.flying
        assert self.lanes.queued == len(self.here) - len(self.flying)
        assert self.lanes.size == sum(each.size for each in self.here)
        assert self.lanes.flying == self.memory.flying == sum(each.size for each in self.flying)
        assert self.lanes.queued_size == self.memory.queued == self.lanes.size - self.lanes.flying
        used = {key for each in self.here for key in each.keys}
        assert set(self.lanes._lanes) == used, "a lane exists only while something is in it"

    def teardown(self) -> None:
        """All that is queued can be sent: no lane is stuck."""
        self.lanes.bring_back()
        while self.here:
            while (taken := self.lanes.take()) is not None:
                self.flying.append(taken)
            assert self.flying, "stuck"
            done = self.flying.pop()
            self.lanes.release(done)
            self.here.remove(done)


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
