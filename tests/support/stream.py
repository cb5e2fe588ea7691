"""A whole stream without I/O: engine, store and log, moved step by step by a test.

Store calls run in the order of asking, and their answers reach the engine in that order, each as
late as the test wants: as the one SQL thread does it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.attempt import Response
from cdc_triggers.core.attempt_log import Times
from cdc_triggers.core.engine import Engine
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import Begin, LogRow, Signal
from cdc_triggers.core.records import Batch, Revision, TriggerRow
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.spec import Trigger
from cdc_triggers.testing import (
    ManualClock,
    MemoryDatabase,
    MemoryStore,
    Slot,
    log_row,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cdc_triggers.core.attempt import Outcome
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.memory import Share
    from cdc_triggers.core.messages import Message

OK = Response(200, (), b"")
BAD = Response(500, (), b"")
COLUMNS = ((1, "id"), (2, "v"))
WIDTHS = {1: 1, 2: 1, 3: 400, 4: 3_000}
"""How wide the rows of a key are."""


class Row(NamedTuple):
    """One change of the table: `old` and `new` are ids; None: there is no such image."""

    op: str
    old: int | None
    new: int | None

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(f"[{n}]" for n in (self.old, self.new) if n is not None)


class Owed(NamedTuple):
    """What the log owes to a trigger: an event at its place, with the lanes it goes through."""

    place: tuple[int, int]
    event_id: str
    lanes: frozenset[str]
    end_lsn: int


def trigger_row(
    number: int, ordering: str, *, since_xid: int = 0, retries: int = 2, max_in_flight: int = 2
) -> TriggerRow:
    """A trigger on every change of table 1, for transactions from `since_xid` on."""
    spec = Trigger.model_validate(
        {
            "name": f"t-{ordering}",
            "table": "items",
            "definition": {"insert": {}, "update": {}, "delete": {}},
            "webhook": f"http://{ordering}/",
            "ordering": ordering,
            "max_in_flight": max_in_flight,
            "retry_conf": {"num_retries": retries, "interval_sec": 2, "jitter": False},
        }
    )
    revision = Revision(1, spec, {}, Snapshot(since_xid, since_xid, frozenset()))
    attnums = (1,) if ordering == "key" else ()
    return TriggerRow(
        id=number,
        name=spec.name,
        table_id=1,
        paused=False,
        ordering_attnums=attnums,
        columns=COLUMNS,
        revisions=(revision,),
    )


class Stream:
    """Everything durable, one engine, and the I/O between them as two queues.

    Attributes:
        unseen: commits are decoded, and nobody sees them yet: a synchronous standby is gone.
        unfollowed: where the signal committed that was read last, until its triggers are here.
    """

    def __init__(self, orderings: Sequence[str], *, remember: int = 1_000) -> None:
        self.clock = ManualClock()
        self.database = MemoryDatabase(self.clock)
        self.slot = Slot()
        self.owed: dict[int, list[Owed]] = {}
        self.remember = remember
        self.lives = 0
        self.unseen = False
        self.xid = 10
        self._lsn = 1_000
        self._events = 0
        self._triggers = 0
        for ordering in orderings:
            self.add_trigger(ordering)
        self.start()

    # -- the database ---------------------------------------------------------------------------

    def add_trigger(self, ordering: str) -> int:
        self._triggers += 1
        retries = 0 if self._triggers % 3 == 0 else 2
        row = trigger_row(self._triggers, ordering, since_xid=self.xid, retries=retries)
        self.database.triggers[row.id] = row
        self.owed[row.id] = []
        return row.id

    def change(self, rows: Sequence[Row]) -> list[str]:
        """Commit a transaction; returns the ids of its events."""
        messages: list[Message] = []
        ids = []
        for position, row in enumerate(rows):
            self._events += 1
            event_id = f"e{self._events}"
            ids.append(event_id)
            messages.append(
                log_row(event_id, xid=self.xid, op=row.op, old=_json(row.old), new=_json(row.new))
            )
            self._owe(event_id, row, (self._lsn, position))
        self._commit(messages)
        return ids

    def signal(self, content: bytes = b"reload") -> None:
        self._commit([Signal(content)])

    def _commit(self, messages: Sequence[Message]) -> None:
        whole = transaction(self._lsn, messages, self.xid)
        self.slot.log.append(whole)
        self.unread.extend(whole) if self.lives else None
        self._lsn += 100
        self.xid += 1

    def _owe(self, event_id: str, row: Row, place: tuple[int, int]) -> None:
        for trigger_id, trigger in self.database.triggers.items():
            ordering = trigger.revisions[0].spec.ordering
            lanes = (
                row.keys if ordering == "key" else frozenset({"*"} if ordering == "total" else ())
            )
            self.owed[trigger_id].append(Owed(place, event_id, lanes, place[0] + 8))

    @property
    def write_lsn(self) -> Lsn:
        """Where the next transaction will begin."""
        return Lsn(self._lsn)

    # -- the process ----------------------------------------------------------------------------

    def start(self) -> None:
        """A process begins: with what is durable, and nothing else."""
        self.lives += 1
        self.store = MemoryStore(
            self.database, self.slot, f"holder-{self.lives}", remember=self.remember
        )
        self.database.session = None
        self.database.dead.add(f"holder-{self.lives - 1}")
        assert self.store.take_lease(10.0) is not None
        self.calls: deque[Callable[[], Callable[[], None]]] = deque()
        self.answers: deque[Callable[[], None]] = deque()
        self.in_flight: dict[int, Delivery] = {}
        self.writing = False
        self.writing_size = 0
        self.loading = False
        self.unfollowed: Lsn | None = None
        start = self.store.load_start("pgoutput")
        self.unread: deque[Message] = deque(m for t in self.slot.after(start.begins) for m in t)
        self.engine = Engine(start, self.store.load_triggers(), self.clock.monotonic())

    def read(self, limit: int) -> None:
        while limit and self.unread and self._may_take(self.unread[0]):
            if not self.engine.receive(self.unread[0], self.clock.monotonic()):
                break
            if isinstance(self.unread.popleft(), Signal):
                self.unfollowed = self.engine._commit_lsn
            limit -= 1
        if self.engine.reload_wanted and not self.loading:
            self.loading = True
            self.calls.append(self._load)

    def _may_take(self, message: Message) -> bool:
        """As `Intake` asks it."""
        if isinstance(message, LogRow):
            return self.engine.can_receive
        return not (isinstance(message, Begin) and self.engine.reload_wanted)

    def take(self) -> Delivery | None:
        delivery = self.engine.take(self.clock.monotonic())
        if delivery is not None:
            self.in_flight[delivery.token] = delivery
        return delivery

    def finish(self, delivery: Delivery, outcome: Outcome) -> str:
        del self.in_flight[delivery.token]
        times = Times(self.clock.monotonic(), self.clock.now(), 0.0)
        return self.engine.finished(delivery, outcome, times)

    def tick(self) -> None:
        self.engine.tick(self.clock.monotonic())

    def ask_write(self) -> None:
        if self.writing:
            return
        self.writing = True
        outbox = self.engine.take_outbox()
        self.writing_size = outbox.size
        batch = Batch(
            tuple(outbox.attempts),
            tuple(outbox.parks),
            tuple(outbox.resolutions),
            self.engine.progress(outbox, self.clock.now() - self.clock.monotonic()),
        )

        def call() -> Callable[[], None]:
            result = self.store.write(batch)

            def answer() -> None:
                self.writing = False
                self.writing_size = 0
                self.engine.written(outbox, result, self.clock.monotonic())

            return answer

        self.calls.append(call)

    def ask_claims(self, max_bytes: int = 1 << 20) -> None:
        for trigger_id, limit in self.engine.claims_due(self.clock.monotonic()):
            share = self.engine.claim_share(trigger_id)
            share = share._replace(bytes=min(max_bytes, share.bytes))
            self.calls.append(lambda t=trigger_id, n=limit, s=share: self._claim(t, n, s))  # type: ignore[misc]

    def run_call(self) -> None:
        """The SQL thread runs one call."""
        if self.calls:
            self.answers.append(self.calls.popleft()())

    def hear(self) -> None:
        """The loop hears one answer."""
        if self.answers:
            self.answers.popleft()()

    def settle_calls(self) -> None:
        while self.calls or self.answers:
            self.run_call()
            self.hear()

    def write(self) -> None:
        """Write all that has gathered, and what follows from it."""
        self.settle_calls()
        self.ask_write()
        self.settle_calls()

    def confirm(self) -> None:
        self.slot.confirmed = max(self.slot.confirmed, self.engine.ledger.confirm())

    def drain(self) -> list[Delivery]:
        """What `Tenure.drain` does, once the attempts in flight have had their time."""
        self.engine.park_queued(self.clock.monotonic())
        unfinished = self.engine.in_flight()
        for delivery in unfinished:
            self.engine.abandon(delivery, self.clock.monotonic())
        self.write()
        while len(self.engine.unwritten):
            self.write()
        self.confirm()
        return unfinished

    def _load(self) -> Callable[[], None]:
        if self.unseen:
            return self._look_again
        rows = self.store.load_triggers()

        def answer() -> None:
            self.loading = False
            self.unfollowed = None
            self.engine.set_triggers(rows, self.clock.monotonic())

        return answer

    def _look_again(self) -> None:
        self.loading = False

    def _claim(self, trigger_id: int, limit: int, share: Share) -> Callable[[], None]:
        rows, next_due_s = self.store.claim(trigger_id, limit, share)

        def answer() -> None:
            now = self.clock.monotonic()
            if self.engine.claimed(trigger_id, rows, next_due_s, now):
                self.calls.append(lambda: self._remaining(trigger_id))

        return answer

    def _remaining(self, trigger_id: int) -> Callable[[], None]:
        keys = self.store.remaining(trigger_id)
        return lambda: self.engine.remaining(trigger_id, keys)


def _json(number: int | None) -> bytes | None:
    return None if number is None else b'{"id":%d,"v":%b}' % (number, b"1" * WIDTHS[number])
