"""What the application needs from the world. Adapters implement these; `wiring` chooses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.memory import Share
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.records import (
        Batch,
        BatchResult,
        Claimed,
        Lease,
        ParkRow,
        StartState,
        TriggerRow,
    )
    from cdc_triggers.core.recovery import OwedRow
    from cdc_triggers.core.views import (
        EventDetail,
        EventFilter,
        EventLine,
        HasuraOwed,
        Redelivery,
        Status,
        TakenOver,
        TriggerView,
    )


class Clock(Protocol):
    """Two clocks: one that only moves forward, one that people read."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back."""
        ...

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class ChangeSource(Protocol):
    """The decoded stream of one replication slot. One thread, one connection.

    Attributes:
        quiet_s: for so long the server may be at work and answer nothing; known from `start` on.
    """

    quiet_s: float

    def fileno(self) -> int:
        """The socket to wait on."""
        ...

    def start(self, slot: str, plugin: str, begins: Lsn) -> None:
        """Begin streaming from there, or from the slot's confirmed LSN if that is further on.

        Raises:
            SlotError: missing, lost or of another plugin.
            SlotBusyError: another process reads it.
            ConnectionLostError: the server is not reachable.
        """
        ...

    def read(self, limit: int) -> Sequence[Message]:
        """Messages that are there already, at most `limit`; never blocks.

        Raises:
            ConnectionLostError: the connection broke or the server ended the stream.
            DecodeError: the stream is not what the protocol promises.
        """
        ...

    def server_lsn(self) -> Lsn:
        """The server's position as of the last keepalive: all before it was received."""
        ...

    def confirm(self, received: Lsn, confirmed: Lsn, *, ping: bool = False) -> None:
        """Tell the server what may be forgotten; also the answer to keepalives.

        With `ping` the server is asked to answer in turn, so that a dead connection is noticed.
        """
        ...

    def reply_due(self) -> bool:
        """True if the server asked for an answer since the last `confirm`."""
        ...

    def close(self) -> None:
        """Release the slot and the connection; idempotent."""
        ...


class Sender(Protocol):
    """Makes HTTP attempts. Never raises for what an endpoint does: that is an Outcome.

    A cancelled `send` ends at once, and so do the connections of its requests that are not answered
    yet: what of them was not written by then never is.
    """

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """One outcome per request, in their order. Bounded by each request's `timeout_s`."""
        ...

    async def close(self) -> None:
        """Drop connections; idempotent. Call it before the loop ends."""
        ...


class Store(Protocol):
    """The durable side of one slot's stream: specs, parked deliveries, attempts, the lease.

    Calls block; one thread at a time. All raise ConnectionLostError when PostgreSQL is gone.
    """

    def take_lease(self, lease_s: float) -> Lease | None:
        """Become the slot's only stream.

        None: another stream is alive, or may be. One that was silent for `lease_s` is ended, for
        next time. One whose session ended without a word keeps the rest of its lease, unless its
        process is known to be dead: it may be cut off, and send until then.
        """
        ...

    def check_slot(self, plugin: str) -> Lsn:
        """Where to go on: all below is settled, and what is not will come out of the slot.

        That is the slot's confirmed LSN, or what the stream's row says is settled: a crash of the
        server may take the slot back by all that was confirmed since it was last saved.

        Raises:
            SlotError: the slot was never made, or is of another plugin or database.
            SlotLostError: it does not have everything any more.
        """
        ...

    def heartbeat(self, ahead_s: float = 0.0) -> None:
        """Stay the leader while there is nothing to write, or `ahead_s` longer, 60 at most.

        Raises:
            FencedError: another stream has taken over.
        """
        ...

    def load_start(self, plugin: str) -> StartState:
        """What is known from where the stream begins, and which keys are parked.

        Raises:
            SlotError, SlotLostError: as `check_slot`.
        """
        ...

    def sees(self, xid: int) -> bool:
        """True if the next call sees what transaction `xid` wrote; a commit is decoded before."""
        ...

    def load_triggers(self) -> Sequence[TriggerRow]:
        """All applied triggers with their revisions."""
        ...

    def write(self, batch: Batch) -> BatchResult:
        """Record attempts, parks, resolutions and the heartbeat in one transaction.

        Raises:
            FencedError: another stream has taken over; nothing was written.
            ConnectionLostError: nothing is known of the batch.
        """
        ...

    def claim(
        self, trigger_id: int, limit: int, share: Share
    ) -> tuple[Sequence[Claimed], float | None]:
        """Due parked deliveries, claimed for this stream, in stream order, chains without gaps.

        If there is none, the second value says in how many seconds there will be, however large.
        """
        ...

    def remaining(self, trigger_id: int) -> frozenset[str] | None:
        """Keys of what is parked for a trigger; None: more than is worth remembering."""
        ...

    def end_reader(self) -> None:
        """End what is left of a stream that reads the slot; nothing, unless this one leads."""
        ...

    def hung_up(self) -> bool:
        """True if the server has closed the connection; asked from any thread, never blocks."""
        ...

    def hang_up(self) -> None:
        """Cut the connection; from any thread, also under a call that waits for an answer."""
        ...

    def close(self) -> None:
        """Give up the lease and the connection; idempotent."""
        ...


class LogRecovery(Protocol):
    """Reads from the event log what a lost slot would have brought. Blocking calls, one thread.

    In the order of the methods: only then is nothing lost and nothing doubled. All raise
    FencedError if another stream has taken over, ConnectionLostError if PostgreSQL is gone.
    """

    def begin(self, reason: str) -> Lsn:
        """Note durably that events are owed; until `finish` every stream starts with a recovery.

        Returns the LSN below which all was settled when a stream last wrote.
        """
        ...

    def renew_slot(self, plugin: str) -> None:
        """Drop what is left of the slot and make it anew; waits for transactions that write.

        Raises:
            SlotBusyError: another process reads it.
            SlotError: it cannot be made; the hint says what to do.
        """
        ...

    def seen(self) -> bool:
        """True if all that committed before the new slot is seen: triggers may be among it.

        A commit that waits for a synchronous standby is not, for as long as that takes.
        """
        ...

    def read(self) -> Sequence[OwedRow]:
        """More of what was captured before the new slot and is not settled; empty at the end."""
        ...

    def park(self, rows: Sequence[ParkRow]) -> int:
        """Park deliveries, but for those that have a row already; returns how many were parked."""
        ...

    def finish(self) -> Lease:
        """Put all chains in order and note the end; what was lost is parked now, and durable."""
        ...

    def cancel(self) -> None:
        """Make a call that waits end with an error; from any thread."""
        ...

    def close(self) -> None:
        """Let go of the connections; idempotent."""
        ...


class Telemetry(Protocol):
    """Where facts go: structured log lines."""

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        """One line per fact, with stable keys; never row values, bodies or secrets."""
        ...


class Admin(Protocol):
    """What an operator reads and changes. Blocking calls; each is one transaction.

    Every method raises DatabaseError if PostgreSQL refuses, and ConnectionLostError if it is gone.
    """

    def installed(self) -> bool:
        """True if the database has the schema of cdc-triggers."""
        ...

    def triggers(self) -> Sequence[TriggerView]:
        """All applied triggers by name."""
        ...

    def archived_names(self) -> frozenset[str]:
        """Names of dropped triggers that have left deliveries behind."""
        ...

    def set_paused(self, name: str, *, paused: bool) -> bool:
        """Pause or resume, and tell the stream at this very place; False: it was so already."""
        ...

    def invoke(self, name: str, payload: str, session: str | None = None) -> str:
        """Write a MANUAL event with `payload` (JSON text) as its new row; returns the event id.

        `session` becomes its session variables, if it is given.
        """
        ...

    def events(self, wanted: EventFilter, from_id: str) -> Sequence[EventLine]:
        """Newest first, at most `wanted.limit`; `from_id` is the lowest id that may qualify."""
        ...

    def deliveries(self, wanted: EventFilter, from_id: str) -> Sequence[EventLine]:
        """As `events`, but only what is parked, dead or archived, from its own copies."""
        ...

    def delivered(self, wanted: EventFilter, from_id: str) -> Sequence[EventLine]:
        """As `events`, but only what was delivered, from the attempt log."""
        ...

    def settled_at(self) -> datetime | None:
        """Commit time up to which every stream has settled everything; None: nothing yet."""
        ...

    def event(self, event_id: str) -> EventDetail | None:
        """One event with its deliveries and attempts, or None if it is not (any more) recorded."""
        ...

    def redeliver_event(self, event_id: str, trigger: str | None, *, dry_run: bool) -> Redelivery:
        """Put one event's dead deliveries back; if none is dead or parked, the delivered ones.

        Only for triggers that still exist; `trigger` narrows it to one.
        """
        ...

    def status(self, slot: str) -> Status:
        """Slot, stream and triggers; slot and stream are None if there are none of that name."""
        ...


class HasuraLog(Protocol):
    """Hasura's event log on one side, our parked deliveries on the other. Blocking calls.

    Every method raises DatabaseError if PostgreSQL refuses, and ConnectionLostError if it is gone.
    """

    def installed(self) -> bool:
        """True if our side has the schema of cdc-triggers."""
        ...

    @property
    def same_database(self) -> bool:
        """True if both sides are one database: then a part is taken over wholly or not at all."""
        ...

    def owed(self) -> Sequence[HasuraOwed]:
        """What the log still owes, by trigger.

        Raises:
            UsageError: there is no event log of Hasura.
        """
        ...

    def capturing(self) -> frozenset[str]:
        """Event triggers for which Hasura goes on writing its log."""
        ...

    def paused(self) -> Mapping[str, bool]:
        """The applied triggers by name, and whether each is paused."""
        ...

    def pause(self, names: Sequence[str]) -> tuple[str, ...]:
        """Pause those that are not paused, and return them when every running stream knows.

        Raises:
            DatabaseError: a stream runs and does not get there.
        """
        ...

    def take(self, names: Sequence[str], after: tuple[str, ...] | None) -> TakenOver:
        """Park the next rows of these triggers, before all that was captured here; archive them."""
        ...

    def resume(self, names: Sequence[str]) -> None:
        """End the pause of these, and tell the stream that there is something to send."""
        ...
