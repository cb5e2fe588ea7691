"""Every decision between the stream and the endpoints; no I/O, no clock of its own.

The shell feeds it (`receive`, `finished`, `written`, `claimed`, `tick`), then asks what to do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, assert_never

from cdc_triggers.core import payload, retry
from cdc_triggers.core.attempt_log import AttemptLog
from cdc_triggers.core.delivery import Delivery, Row
from cdc_triggers.core.event import event_of
from cdc_triggers.core.ledger import Ledger, TxnId
from cdc_triggers.core.lsn import ZERO, Lsn
from cdc_triggers.core.matching import Match, Matcher
from cdc_triggers.core.memory import Memory
from cdc_triggers.core.messages import Begin, Commit, LogRow, Other, Signal
from cdc_triggers.core.parking import Parking
from cdc_triggers.core.records import Progress
from cdc_triggers.core.roster import STUCK_S, Roster

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.delivery import Keys
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.memory import Share
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.outbox import Outbox
    from cdc_triggers.core.records import (
        AttemptRow,
        BatchResult,
        Claimed,
        Revision,
        StartState,
        TriggerRow,
    )
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.trigger_state import TriggerState

SLOW_S = 3.0
"""An attempt that runs longer is written down, so that it holds no WAL."""

_OUTCOMES: dict[type[retry.Decision], str] = {
    retry.Delivered: "delivered",
    retry.Retry: "retry",
    retry.Dead: "dead",
}


class Engine:
    """One slot's stream. `now` is monotonic seconds."""

    def __init__(self, start: StartState, triggers: Iterable[TriggerRow], now: float) -> None:
        self.ledger = Ledger(start.begins)
        self.reload_wanted = self._claim_all = False
        self.xid: int | None = None
        self.delivered = 0
        self._held: set[int] = set()
        self._memory = Memory()
        self._parking = Parking(self._memory)
        self._done, self._done_left = start.done, len(start.done)
        self.roster = Roster(self._memory)
        self._attempts, self._matcher = AttemptLog(), Matcher(())
        self._txn: TxnId | None = None
        self._commit_lsn, self._committed_at = ZERO, 0.0
        self._position = self._token = 0
        self.set_triggers(triggers, now)
        for trigger_id, keys in start.parked_keys.items():
            if (state := self.roster.active.get(trigger_id)) is not None:
                state.remember(keys)
        for trigger_id in start.parked_triggers.intersection(self.roster.active):
            self.roster.active[trigger_id].claim_at(now)

    # -- intake ---------------------------------------------------------------------------------

    @property
    def can_receive(self) -> bool:
        """False while specs are being reloaded, a queue is full, or the store is behind."""
        roster, parking, memory = self.roster, self._parking, self._memory
        return not (self.reload_wanted or roster.any_full or parking.behind or memory.must_wait)

    def receive(self, message: Message, now: float) -> bool:
        """Take the next message of the stream. Call it with a row only while `can_receive`.

        And with a begin unless `reload_wanted`: the triggers are read as of transaction `xid`.

        False: not taken, offer it again. Its row has columns that are not known, so the specs are
        read again first.
        """
        match message:
            case LogRow():
                assert self._txn is not None, "a row outside of a transaction"
                event = event_of(message, self._commit_lsn, self._position)
                matches = self._matcher.match(event)
                if self._matcher.stale:
                    self.reload_wanted = True
                    return False
                self._position += 1
                for match in matches:
                    self._admit(event, match, now)
            case Begin():
                self._txn = self.ledger.begin(now)
                self.xid = message.xid
                self._commit_lsn = message.final_lsn
                self._committed_at = message.commit_us / 1e6
                self._position = 0
            case Commit():
                assert self._txn is not None, "a commit outside of a transaction"
                self.ledger.commit(self._txn, message.end_lsn, message.commit_us)
                self._txn = None
            case Signal(content):
                self._signal(content)
            case Other():
                pass
            case _:
                assert_never(message)
        return True

    def idle(self, server_lsn: Lsn) -> None:
        """Everything below `server_lsn` was received; the caller has no message left."""
        self.ledger.idle(server_lsn)

    def set_triggers(self, rows: Iterable[TriggerRow], now: float) -> None:
        """The applied triggers, anew: some changed, some new, some gone."""
        rows = tuple(rows)
        self.reload_wanted = False
        self.ledger.let_go()
        self._matcher = Matcher(rows, self._matcher)
        gone = self.roster.replace(rows)
        for state in self.roster.active.values():
            if state.row.paused:
                self._unqueue(state, "paused", now)
            elif state.spilling or self._claim_all:
                state.claim_at(now)
        self._claim_all = False
        for state in gone:
            self._unqueue(state, "archived", now)

    # -- sending --------------------------------------------------------------------------------

    def take(self, now: float) -> Delivery | None:
        """The next delivery to attempt, triggers in turn; None if nothing may be sent now."""
        if self._parking.far_behind:
            return None
        delivery = self.roster.take(now)
        if delivery is not None:
            delivery.started = now
        return delivery

    def spec(self, delivery: Delivery) -> Trigger:
        """How it is delivered: always by the newest revision."""
        return self.roster.of(delivery).row.revisions[0].spec

    def body(self, delivery: Delivery) -> bytes:
        """What is sent for it: by the revision that was in force for the event."""
        return payload.body(
            delivery.event,
            self.roster.of(delivery).row.name,
            delivery.tries,
            self.spec(delivery).retry_conf.num_retries,
            self._matcher.shape(delivery.event, delivery.revision),
        )

    def finished(self, delivery: Delivery, outcome: Outcome, times: Times) -> str:
        """An attempt ended. Says what follows: `delivered`, `retry` or `dead`."""
        delivery.tries += 1
        conf = self.spec(delivery).retry_conf
        decision = retry.decide(conf, outcome, delivery.tries, times.jitter)
        name = _OUTCOMES[type(decision)]
        state = self.roster.of(delivery)
        state.ended(outcome)
        attempt = self._attempts.row(delivery, state.row, outcome, times, name)
        if delivery.row is Row.PENDING:
            # logged with what follows from it: else a crash between the two would send it again
            delivery.finished = (decision, attempt)
        else:
            self._conclude(delivery, decision, attempt)
        return name

    def in_flight(self) -> list[Delivery]:
        """All deliveries whose attempt runs."""
        return [d for state in self.roster for d in state.lanes.in_flight.values()]

    # -- writing --------------------------------------------------------------------------------

    @property
    def unwritten(self) -> Outbox:
        """What has gathered since the last `take_outbox`."""
        return self._parking.outbox

    def take_outbox(self) -> Outbox:
        """What must be written in one transaction; call `written` when it is."""
        return self._parking.take_outbox()

    def progress(self, outbox: Outbox, mono_to_wall: float) -> Progress:
        """How far the stream is once `outbox` is written, for the same transaction.

        `mono_to_wall` is wall time less monotonic time.
        """
        outbox.settled_lsn = self.ledger.settled_with(outbox.settles)
        oldest = self.ledger.oldest_since
        settled_us = self.ledger.settled_commit_us
        return Progress(
            self.ledger.received,
            outbox.settled_lsn,
            self.ledger.confirmed,
            None if oldest is None else oldest + mono_to_wall,
            settled_us / 1e6 if settled_us else None,
            self.delivered,
        )

    def written(self, outbox: Outbox, result: BatchResult, now: float) -> None:
        """The outbox is durable: what it holds is settled from here on."""
        outbox.written()
        for txn, count in outbox.settles.items():
            self.ledger.settle(txn, count)
        self.ledger.record(outbox.settled_lsn)
        for delivery, row in zip(outbox.parked, outbox.parks, strict=True):
            delivery.row = Row.PRESENT
            self.roster.wrote(delivery)
            delivery.row_id = result.row_ids.get(delivery.token, 0)
            if delivery.row_id:
                self._held.add(delivery.row_id)
            # a trigger that was dropped is forgotten as soon as nothing of it is in flight
            state = self.roster.active.get(delivery.trigger_id)
            if state is not None and row.status == "parked":
                state.block_written(delivery)
                # not before: an earlier claim would find nothing, and nobody would look again
                state.claim_at(now + (row.delay_s if row.hold_s is None else row.hold_s))
            if delivery.finished is not None:
                decision, attempt = delivery.finished
                delivery.finished = None
                self._conclude(delivery, decision, attempt)
        for trigger_id, resolution in zip(outbox.resolved, outbox.resolutions, strict=True):
            self._held.discard(resolution.row_id)
            if (state := self.roster.active.get(trigger_id)) is not None:
                state.claim_at(now + resolution.delay_s)
        for trigger_id, key in result.freed:
            if (state := self.roster.active.get(trigger_id)) is not None:
                state.unblock(key)
        self.roster.relieve_all(now)

    # -- feeding from the table -----------------------------------------------------------------

    def claims_due(self, now: float) -> list[tuple[int, int]]:
        """Triggers whose parked deliveries should be fetched, each with how many; marks them."""
        return self.roster.claims_due(now)

    def claim_share(self, trigger_id: int) -> Share:
        """How much the claim that is due for this trigger may bring."""
        return self.roster.claim_share(trigger_id)

    def claimed(
        self, trigger_id: int, rows: Sequence[Claimed], next_due_s: float | None, now: float
    ) -> bool:
        """Parked deliveries that may be attempted. True if the caller should ask what remains."""
        state = self.roster.end_claim(trigger_id)
        if state is None:
            return False
        returning: set[str] = set()
        for row in rows:
            chains = {key for key in (row.key, row.old_key) if key is not None}
            if row.row_id in self._held:
                # its claim ran out while it was here: it may be on its way back to the table, so
                # nobody of its chains may pass it
                returning |= chains
                continue
            revisions = state.row.revisions
            revision = next((r for r in revisions if r.number == row.revision), revisions[0])
            delivery = self._new(trigger_id, revision, row.event, (row.key, row.old_key), now)
            delivery.row, delivery.row_id, delivery.tries = Row.PRESENT, row.row_id, row.tries
            if state.row.paused or chains & returning:
                returning |= chains
                self._parking.set_aside(state, [delivery], "behind")
            else:
                self._held.add(row.row_id)
                state.lanes.offer(delivery)
        self.roster.run(state)
        state.look_again(len(rows), next_due_s, now)
        return state.spilling and not state.row.paused and len(rows) < state.capacity // 2

    def remaining(self, trigger_id: int, keys: frozenset[str] | None) -> None:
        """What the table still holds of a spilling trigger; None: more than can be remembered."""
        state = self.roster.active.get(trigger_id)
        if state is not None and keys is not None and not state.row.paused:
            state.stop_spilling(keys)

    def tick(self, now: float) -> None:
        """Let time pass: slow attempts are written down, full queues give way."""
        for state in self.roster:
            self._parking.slow(state, now - SLOW_S)
        self.roster.tick()
        since = self.ledger.oldest_since
        held = since is not None and since < now - STUCK_S
        for state in self.roster.too_slow(now, held=held):
            if self._parking.crowded:
                break  # at the next tick: until it is written, who spills can send nothing
            self._spill(state, now)
        self.roster.forget()

    def park_queued(self, now: float) -> None:
        """Write down all that is not in flight (a drain)."""
        for state in self.roster.active.values():
            self._unqueue(state, "drain", now)

    def write_down_all(self) -> None:
        """Give every attempt that runs a row, so that the LSN can move past it (a drain)."""
        for state in self.roster:
            self._parking.slow(state, math.inf)

    def abandon(self, delivery: Delivery, now: float) -> None:
        """An attempt is given up before it ended: written down, to be made again."""
        state = self.roster.of(delivery)
        if delivery.finished is not None:
            return  # it did end: what follows is written as soon as its row is
        behind = state.lanes.followers(delivery)
        if delivery.row is not Row.PENDING:
            self._parking.set_aside(state, [delivery], "drain")
        self._parking.set_aside(state, behind, "behind")
        state.lanes.release(delivery)
        self.roster.relieve(state, now)

    # -- inside ---------------------------------------------------------------------------------

    def _admit(self, event: Event, match: Match, now: float) -> None:
        trigger_id = match.trigger.id
        if self._done_left and (event.id, trigger_id) in self._done:
            self._done_left -= 1
            return
        state = self.roster.active[trigger_id]
        delivery = self._new(trigger_id, match.revision, event, (match.key, match.old_key), now)
        assert self._txn is not None
        delivery.txn = self._txn
        delivery.committed_at = self._committed_at
        self.ledger.open(self._txn)
        state.active_at = now
        if match.error is not None:  # for a person to decide; it holds nobody back
            self._parking.dead(state, delivery, match.error)
            return
        if state.crowded and not state.spilling:
            self._spill(state, now)
        if state.spilling:
            self._parking.set_aside(state, [delivery], "paused" if state.row.paused else "overflow")
        elif state.is_blocked(delivery):
            if delivery.old_key is not None and state.lanes.unwritten(delivery):
                self._unqueue(state, "behind", now)
            self._parking.set_aside(state, [delivery], "behind")
        else:
            state.lanes.offer(delivery)
            self.roster.run(state)
            if self.roster.fill(state, now):
                self._spill(state, now)

    def _new(
        self, trigger_id: int, revision: Revision, event: Event, keys: Keys, now: float
    ) -> Delivery:
        self._token += 1
        return Delivery(self._token, trigger_id, revision, event, keys, now=now)

    def _signal(self, content: bytes) -> None:
        # also `retry` reads the specs again: that waits until the sender's rows can be seen
        self.reload_wanted = True
        self._claim_all = self._claim_all or content == b"retry"
        self.ledger.hold(self._txn)

    def _conclude(self, delivery: Delivery, decision: retry.Decision, attempt: AttemptRow) -> None:
        state = self.roster.of(delivery)
        error = attempt.error or ""
        self._parking.outbox.attempt(attempt)
        match decision:
            case retry.Delivered():
                self.delivered += 1
                if delivery.row is Row.ABSENT:
                    state.went_well()
                self._parking.delivered(delivery)
            case retry.Retry(delay_s):
                state.rounds = 1
                self._parking.failed(state, delivery, delay_s, error)
            case retry.Dead():
                self._parking.dead(state, delivery, error)
            case _:
                assert_never(decision)
        state.lanes.release(delivery)
        self.roster.run(state)

    def _spill(self, state: TriggerState, now: float) -> None:
        """From here on all events of the trigger go through the table."""
        state.spill()
        self._unqueue(state, "overflow", now)

    def _unqueue(self, state: TriggerState, reason: str, now: float) -> None:
        self._parking.empty(state, reason)
        self.roster.rest(state)
        self.roster.relieve(state, now)
