"""The engine under any interleaving of stream, endpoints, store, operator and crash."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.stream import BAD, OK, Owed, Row, Stream

from cdc_triggers.core import parking, trigger_state
from cdc_triggers.core.attempt import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery

CAPACITY = 4
BLOCKED = 3
REMEMBER = 3
SMALL = (
    (trigger_state, "CAPACITY_EVENTS", CAPACITY),
    (trigger_state, "CAPACITY_PER_SLOT", 1),
    (trigger_state, "BLOCKED_KEYS", BLOCKED),
    (parking, "OUTBOX_RECORDS", 12),
)
"""Limits that a few events reach."""

QUIET_S = 40.0
"""Longer than every retry, overflow and poll of a stream whose endpoints work again."""

keys = st.integers(1, 4)
rows = st.one_of(
    st.builds(lambda k: Row("INSERT", None, k), keys),
    st.builds(lambda k: Row("DELETE", k, None), keys),
    st.builds(lambda a, b: Row("UPDATE", a, b), keys, keys),
)
picks = st.integers(0, 99)
ENDS: list[Outcome] = [OK, OK, BAD, Failure(FailureKind.TIMEOUT, "no answer")]
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(ENDS)
ORDERINGS = [("key", "none"), ("key", "total"), ("key",), ("key", "key")]
orderings = st.sampled_from(ORDERINGS)


class EngineMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        for module, name, value in SMALL:
            self.patches.enter_context(mock.patch.object(module, name, value))

    @initialize(ordering=orderings)
    def begin(self, ordering: tuple[str, ...]) -> None:
        self.stream = Stream(ordering, remember=REMEMBER)
        self.over: set[tuple[int, str]] = set()
        self.confirmed = 0

    # -- the world ------------------------------------------------------------------------------

    @rule(changes=st.lists(rows, min_size=1, max_size=4), count=st.integers(0, 6))
    def commit(self, changes: list[Row], count: int) -> None:
        self.stream.change(changes)
        self.stream.read(count)

    @rule(count=st.integers(1, 12))
    def read(self, count: int) -> None:
        self.stream.read(count)

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        for _ in range(count):
            self.attempt()

    @precondition(lambda self: self.stream.in_flight)
    @rule(pick=picks, outcome=outcomes)
    def finish(self, pick: int, outcome: Outcome) -> None:
        if flying := list(self.stream.in_flight.values()):
            self.conclude(flying[pick % len(flying)], outcome)

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.1, 2.0, 3.5]))
    def time_passes(self, seconds: float) -> None:
        self.stream.clock.advance(seconds)
        self.stream.tick()

    # -- the store ------------------------------------------------------------------------------

    @rule()
    def ask_write(self) -> None:
        self.stream.ask_write()

    @rule(max_bytes=st.sampled_from([1, 900, 1 << 20]))
    def ask_claims(self, max_bytes: int) -> None:
        self.stream.ask_claims(max_bytes)

    @rule(count=st.integers(1, 3))
    def store_works(self, count: int) -> None:
        for _ in range(count):
            self.stream.run_call()

    @rule(count=st.integers(1, 3))
    def hear(self, count: int) -> None:
        for _ in range(count):
            self.stream.hear()

    @rule()
    def write_at_once(self) -> None:
        self.stream.write()

    @rule()
    def confirm(self) -> None:
        before = self.stream.slot.confirmed
        self.stream.confirm()
        assert self.stream.slot.confirmed >= before
        self.nothing_confirmed_is_owed()

    # -- the operator ---------------------------------------------------------------------------

    @rule(pick=picks)
    def pause_or_resume(self, pick: int) -> None:
        triggers = self.stream.database.triggers
        trigger_id = sorted(triggers)[pick % len(triggers)]
        triggers[trigger_id] = triggers[trigger_id]._replace(paused=not triggers[trigger_id].paused)
        self.stream.signal()

    @rule(pick=picks)
    def drop_and_create(self, pick: int) -> None:
        triggers = self.stream.database.triggers
        dropped = triggers.pop(sorted(triggers)[pick % len(triggers)])
        self.stream.add_trigger(dropped.revisions[0].spec.ordering)
        self.stream.signal()

    # -- the end of a process -------------------------------------------------------------------

    @rule()
    def crash(self) -> None:
        self.restart()

    @rule(writes=st.booleans(), killed=st.booleans(), ends=st.lists(outcomes, max_size=4))
    def drain(self, *, writes: bool, killed: bool, ends: list[Outcome]) -> None:
        """Some attempts end in time; the rest is abandoned, or a kill ends the drain early."""
        stream = self.stream
        stream.settle_calls()
        stream.engine.park_queued(stream.clock.monotonic())
        if writes:
            stream.ask_write()
        for delivery, outcome in zip(list(stream.in_flight.values()), ends, strict=False):
            self.conclude(delivery, outcome)
        if killed:
            stream.settle_calls()
        else:
            stream.drain()
            self.nothing_confirmed_is_owed()
            assert stream.engine.ledger.unsettled <= bool(stream.unread)
        self.restart()

    def restart(self) -> None:
        self.stream.start()
        database = self.stream.database
        self.over = {
            (a.trigger_id, a.event_id) for a in database.attempts if a.outcome == "delivered"
        }
        self.over |= {
            (r.trigger_id, r.event.id) for r in database.deliveries.values() if r.status == "dead"
        }

    # -- what must hold -------------------------------------------------------------------------

    def attempt(self) -> Delivery | None:
        busy = [(d.trigger_id, key) for d in self.stream.in_flight.values() for key in d.keys]
        delivery = self.stream.take()
        if delivery is None:
            return None
        trigger_id = delivery.trigger_id
        state = self.stream.engine._roster.of(delivery)
        assert len(state.lanes.in_flight) <= state.lanes.max_in_flight
        assert not any((trigger_id, key) in busy for key in delivery.keys)
        owed = self.stream.owed[trigger_id]
        this = next(each for each in owed if each.event_id == delivery.event.id)
        assert (trigger_id, this.event_id) not in self.over, "it is over"
        for other in owed:
            if other.place < this.place and other.lanes & this.lanes:
                assert (trigger_id, other.event_id) in self.over, f"{this} overtakes {other}"
        return delivery

    def conclude(self, delivery: Delivery, outcome: Outcome) -> None:
        if self.stream.finish(delivery, outcome) != "retry":
            self.over.add((delivery.trigger_id, delivery.event.id))

    def missing(self, up_to: int) -> list[tuple[int, Owed]]:
        """What is owed by transactions up to an LSN and is neither delivered, parked nor dead."""
        database = self.stream.database
        kept = {(a.trigger_id, a.event_id) for a in database.attempts if a.outcome == "delivered"}
        kept |= {(r.trigger_id, r.event.id) for r in database.deliveries.values()}
        return [
            (trigger_id, each)
            for trigger_id in database.triggers
            for each in self.stream.owed[trigger_id]
            if each.end_lsn <= up_to and (trigger_id, each.event_id) not in kept
        ]

    def nothing_confirmed_is_owed(self) -> None:
        assert not self.missing(self.stream.slot.confirmed)

    @invariant()
    def lsns_are_in_order(self) -> None:
        if not hasattr(self, "stream"):
            return
        ledger = self.stream.engine.ledger
        assert ledger.confirmed <= ledger.settled <= ledger.received
        assert self.confirmed <= self.stream.slot.confirmed
        self.confirmed = self.stream.slot.confirmed

    @invariant()
    def memory_is_bounded(self) -> None:
        if not hasattr(self, "stream"):
            return
        for state in self.stream.engine._roster.active.values():
            # one capacity from the stream, one from the table
            assert state.lanes.queued <= 2 * CAPACITY
            unwritten = sum(bool(count) for count in state.blocked.values())
            assert len(state.blocked) - unwritten <= BLOCKED + 2 * CAPACITY

    # -- liveness -------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if hasattr(self, "stream"):
                self.everything_ends()
        finally:
            self.patches.close()

    def everything_ends(self) -> None:
        """From now on all endpoints work and nobody interferes: nothing may be left."""
        stream = self.stream
        for trigger_id, row in stream.database.triggers.items():
            stream.database.triggers[trigger_id] = row._replace(paused=False)
        stream.signal()
        until = stream.clock.monotonic() + QUIET_S
        while not self.quiet():
            assert stream.clock.monotonic() < until, self.stuck()
            stream.read(100)
            while self.attempt() is not None:
                pass
            for delivery in list(stream.in_flight.values()):
                self.conclude(delivery, OK)
            stream.ask_claims()
            stream.write()
            stream.clock.advance(0.25)
            stream.tick()
        self.confirm()
        assert stream.slot.confirmed == stream.engine.ledger.received

    def quiet(self) -> bool:
        stream = self.stream
        states = stream.engine._roster.active.values()
        return not (
            stream.unread
            or stream.engine.ledger.unsettled
            or any(s.spilling or s.blocked or s.lanes.queued for s in states)
            or any(stream.database.parked(i) for i in stream.database.triggers)
        )

    def stuck(self) -> str:
        stream = self.stream
        states = [
            (s.row.id, s.spilling, s.blocked, s.lanes.queued, s.next_claim_at, s.claiming)
            for s in stream.engine._roster.active.values()
        ]
        parked = [stream.database.parked(i) for i in stream.database.triggers]
        return f"stuck: {len(stream.unread)} unread, {states}, {parked}"


TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def random_row(chance: random.Random) -> Row:
    old, new = chance.randint(1, 4), chance.randint(1, 4)
    return chance.choice(
        [Row("INSERT", None, new), Row("DELETE", old, None), Row("UPDATE", old, new)]
    )


def random_step(machine: EngineMachine, chance: random.Random) -> Callable[[], None]:
    pick, few = chance.randint(0, 99), chance.randint(1, 3)
    rows = [random_row(chance) for _ in range(chance.randint(1, 4))]
    ends = chance.choices(ENDS, k=chance.randint(0, 4))
    writes, killed = chance.random() < 0.5, chance.random() < 0.3
    size, seconds = chance.choice([1, 900, 1 << 20]), chance.choice([0.0, 0.3, 1.1, 2.0, 3.5])
    steps: dict[Callable[[], None], float] = {
        lambda: machine.commit(rows, 2 * few): 4,
        lambda: machine.read(4 * few): 3,
        lambda: machine.take(few): 5,
        lambda: machine.finish(pick, chance.choice(ENDS)): 6,
        lambda: machine.time_passes(seconds): 2,
        machine.ask_write: 3,
        lambda: machine.ask_claims(size): 3,
        lambda: machine.store_works(few): 4,
        lambda: machine.hear(few): 4,
        machine.write_at_once: 2,
        machine.confirm: 1,
        lambda: machine.pause_or_resume(pick): 0.7,
        lambda: machine.drop_and_create(pick): 0.5,
        machine.crash: 0.4,
        lambda: machine.drain(writes=writes, killed=killed, ends=ends): 0.4,
    }
    return chance.choices(list(steps), list(steps.values()))[0]


@pytest.mark.parametrize("first", range(0, 1_000, 250))
def test_long_random_walks_keep_every_promise(first: int) -> None:
    """Hypothesis shrinks well, but a plain walk takes ten times as many steps a second."""
    for seed in range(first, first + 250):
        chance = random.Random(seed)
        machine = EngineMachine()
        try:
            machine.begin(chance.choice(ORDERINGS))
            for _ in range(chance.choice([30, 60, 120])):
                random_step(machine, chance)()
                machine.lsns_are_in_order()
                machine.memory_is_bounded()
            machine.everything_ends()
        finally:
            machine.patches.close()
