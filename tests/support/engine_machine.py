"""The engine and what surrounds it, moved by rules; after every step its promises are checked."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cdc_triggers.core import memory, outbox, parking, reach, trigger_state
from cdc_triggers.core.attempt import Failure, FailureKind
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.testing.store import CLAIM_S
from support.redelivery import put_back
from support.stream import BAD, OK, Owed, Row, Stream

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery

CAPACITY = 4
BLOCKED = 3
REMEMBER = 3
SMALL = (
    (trigger_state, "CAPACITY_EVENTS", CAPACITY),
    (trigger_state, "CAPACITY_PER_SLOT", 1),
    (trigger_state, "BLOCKED_KEYS", BLOCKED),
    (trigger_state, "STILL_TICKS", 1),
    (parking, "OUTBOX_RECORDS", 12),
    (reach, "MISSES", 2),
    (reach, "TRIALS", 1.0),
    (parking, "OUTBOX_PARKS", 6),
)
"""Limits that a few events reach."""

HELD, FLIGHT, LARGE, CLAIM = 12_000, 5_000, 4_000, 6_000
TIGHT = (
    (memory, "HELD_BYTES", HELD),
    (memory, "FLIGHT_BYTES", FLIGHT),
    (memory, "LARGE_BYTES", LARGE),
    (memory, "CLAIM_BYTES", CLAIM),
    (memory, "CLAIM_SHARE", 2),
    (memory, "CLAIMS", 2),
    (memory, "KEYS_BYTES", 500),
    (outbox, "ANSWERS_BYTES", 100),
    (parking, "OUTBOX_BYTES", 9_000),
    (trigger_state, "CAPACITY_BYTES", 9_000),
)
"""The same for bytes: an event has two thousand, one of key 4 is large."""

BIGGEST = 2 * 5_200
"""One event of key 4, for both triggers."""

QUIET_S = 40.0
"""Longer than every retry, overflow and poll of a stream whose endpoints work again."""

ROUND_S = 0.25
"""A claim brings one event at least."""

EACH_S = 10.0
"""Longer than all attempts of an event whose endpoint never works again."""

keys = st.integers(1, 4)
rows = st.one_of(
    st.builds(lambda k: Row("INSERT", None, k), keys),
    st.builds(lambda k: Row("DELETE", k, None), keys),
    st.builds(lambda a, b: Row("UPDATE", a, b), keys, keys),
)
picks = st.integers(0, 99)
REFUSED = Failure(FailureKind.CONNECT, "connection refused")
ENDS: list[Outcome] = [OK, OK, BAD, REFUSED, REFUSED, Failure(FailureKind.TIMEOUT, "no answer")]
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(ENDS)
WAITS = [0.0, 0.3, 1.1, 2.0, 3.5, CLAIM_S + 1]
"""Seconds: as little as a slow attempt, and so much that a claim runs out."""

ORDERINGS = [("key", "none"), ("key", "total"), ("key",), ("key", "key")]
orderings = st.sampled_from(ORDERINGS)


class EngineMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        self.small(SMALL)

    def small(self, limits: tuple[tuple[object, str, float], ...]) -> None:
        for module, name, value in limits:
            self.patches.enter_context(mock.patch.object(module, name, value))

    @initialize(ordering=orderings, tight=st.booleans(), last=st.sampled_from([OK, BAD, REFUSED]))
    def begin(self, ordering: tuple[str, ...], *, tight: bool, last: Outcome) -> None:
        if tight:
            self.small(TIGHT)
        self.last = last
        self.stream = Stream(ordering, remember=REMEMBER)
        self.over: set[tuple[int, str]] = set()
        self.again: set[tuple[int, str]] = set()
        self.confirmed = 0

    # -- the world ------------------------------------------------------------------------------

    @rule(changes=st.lists(rows, min_size=1, max_size=4), count=st.integers(0, 6))
    def commit(self, changes: list[Row], count: int) -> None:
        self.stream.change(changes)
        self.stream.read(count)

    @rule(count=st.integers(1, 12))
    def read(self, count: int) -> None:
        self.stream.read(count)

    @rule()
    def keepalive(self) -> None:
        """The server is further on; it counts only when all has been read."""
        if not self.stream.unread:
            self.stream.engine.idle(self.stream.write_lsn)

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        for _ in range(count):
            self.attempt()

    @precondition(lambda self: self.stream.in_flight)
    @rule(pick=picks, outcome=outcomes)
    def finish(self, pick: int, outcome: Outcome) -> None:
        if flying := list(self.stream.in_flight.values()):
            self.conclude(flying[pick % len(flying)], outcome)

    @rule(seconds=st.sampled_from(WAITS))
    def time_passes(self, seconds: float) -> None:
        self.stream.clock.advance(seconds)
        self.stream.tick()

    # -- the store ------------------------------------------------------------------------------

    @rule()
    def ask_write(self) -> None:
        self.stream.ask_write()

    @rule(max_bytes=st.sampled_from([1, 2_500, 1 << 20]))
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

    @rule(pick=picks, count=st.integers(1, 3))
    def redeliver(self, pick: int, count: int) -> None:
        """Some of the dead are owed again; where they are in the order is not promised."""
        database = self.stream.database
        dead = [
            row
            for row in database.deliveries.values()
            if row.status == "dead" and row.trigger_id in database.triggers
        ]
        chosen = dead[pick % len(dead) :][:count] if dead else []
        for row in chosen:
            self.over.discard((row.trigger_id, row.event.id))
            self.again.add((row.trigger_id, row.event.id))
        put_back(database, [row.id for row in chosen])
        self.stream.signal(b"retry")

    @rule()
    def standby_leaves_or_returns(self) -> None:
        self.stream.unseen = not self.stream.unseen

    # -- the end of a process -------------------------------------------------------------------

    @rule()
    def crash(self) -> None:
        self.restart()

    @rule(pick=picks)
    def server_crashes(self, pick: int) -> None:
        """The slot is back where it was last saved; rows are where they were."""
        slot = self.stream.slot
        self.confirmed = slot.confirmed = Lsn(slot.confirmed * pick // 100)
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
            open_signal = stream.unfollowed is not None
            assert stream.engine.ledger.unsettled <= (bool(stream.unread) or open_signal)
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
        state = self.stream.engine.roster.of(delivery)
        assert not state.gone, "of a trigger that was dropped"
        assert len(state.lanes.in_flight) <= state.lanes.max_in_flight
        assert not any((trigger_id, key) in busy for key in delivery.keys)
        owed = self.stream.owed[trigger_id]
        this = next(each for each in owed if each.event_id == delivery.event.id)
        assert (trigger_id, this.event_id) not in self.over, "it is over"
        if (trigger_id, this.event_id) in self.again:
            return delivery
        for other in owed:
            if other.place < this.place and other.lanes & this.lanes:
                passes = (trigger_id, other.event_id)
                assert passes in self.over | self.again, f"{this} overtakes {other}"
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
        confirmed, unfollowed = self.stream.slot.confirmed, self.stream.unfollowed
        assert not self.missing(confirmed)
        assert unfollowed is None or confirmed <= unfollowed, "nobody will hear of it again"

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
        for state in self.stream.engine.roster.active.values():
            # one capacity from the stream, one from the table
            assert state.lanes.queued <= 2 * CAPACITY
            unwritten = sum(bool(count) for count in state.blocked.counts.values())
            assert len(state.blocked) - unwritten <= BLOCKED + 2 * CAPACITY
        count = self.stream.engine._memory
        assert count.queued <= memory.HELD_BYTES + BIGGEST + memory.CLAIMS * BIGGEST
        assert count.flying <= 2 * memory.FLIGHT_BYTES + BIGGEST
        assert count.large <= 1
        assert 0 <= count.claims <= memory.CLAIMS

    @invariant()
    def memory_is_counted(self) -> None:
        if not hasattr(self, "stream"):
            return
        engine = self.stream.engine
        count, states = engine._memory, list(engine.roster)
        flying = [d.size for s in states for d in s.lanes.in_flight.values()]
        here = sum(state.lanes.size for state in states)
        assert count.queued == here - sum(flying)
        assert count.flying == sum(size for size in flying if not memory.is_large(size))
        assert count.large == sum(memory.is_large(size) for size in flying)
        assert count.unwritten == engine.unwritten.size + self.stream.writing_size
        assert count.keys == sum(state.blocked.size for state in states)

    # -- liveness -------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if hasattr(self, "stream"):
                self.everything_ends()
        finally:
            self.patches.close()

    def everything_ends(self) -> None:
        """From now on nobody interferes, and all endpoints work, or none: nothing may be left."""
        stream = self.stream
        stream.unseen = False
        for trigger_id, row in stream.database.triggers.items():
            stream.database.triggers[trigger_id] = row._replace(paused=False)
        stream.signal()
        left = len(self.missing(stream.write_lsn)) + len(stream.database.deliveries)
        each_s = ROUND_S if self.last is OK else EACH_S
        until = stream.clock.monotonic() + QUIET_S + each_s * left
        while not self.quiet():
            assert stream.clock.monotonic() < until, self.stuck()
            stream.read(100)
            while self.attempt() is not None or stream.in_flight:
                for delivery in list(stream.in_flight.values()):
                    self.conclude(delivery, self.last)
            stream.ask_claims()
            stream.write()
            stream.clock.advance(ROUND_S)
            stream.tick()
        stream.write()
        self.confirm()
        assert stream.slot.confirmed == stream.engine.ledger.received
        kept = {(r.trigger_id, r.event.id) for r in stream.database.deliveries.values()}
        assert kept <= self.over | self.gone(), "every event ends delivered or dead"

    def gone(self) -> set[tuple[int, str]]:
        """What was archived with its trigger."""
        database = self.stream.database
        rows = database.deliveries.values()
        return {(r.trigger_id, r.event.id) for r in rows if r.trigger_id not in database.triggers}

    def quiet(self) -> bool:
        stream = self.stream
        states = stream.engine.roster.active.values()
        return not (
            stream.unread
            or stream.engine.ledger.unsettled
            or any(s.spilling or s.blocked or s.lanes.queued for s in states)
            or any(stream.database.parked(i) for i in stream.database.triggers)
        )

    def stuck(self) -> str:
        stream = self.stream
        states = [
            (s.row.id, s.spilling, s.blocked.counts, s.lanes.queued, s.next_claim_at, s.claiming)
            for s in stream.engine.roster.active.values()
        ]
        parked = [stream.database.parked(i) for i in stream.database.triggers]
        return f"stuck: {len(stream.unread)} unread, {states}, {parked}"
