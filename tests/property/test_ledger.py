"""The settled LSN is exactly what a list of transactions says it is, also over crashes."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cdc_triggers.core.ledger import Ledger, TxnId
from cdc_triggers.core.lsn import Lsn

if TYPE_CHECKING:
    from collections.abc import Callable

sizes = st.lists(st.integers(0, 3), max_size=12)


@settings(derandomize=True, deadline=None)
@given(sizes=sizes, data=st.data())
def test_settled_is_the_end_of_the_last_transaction_with_nothing_open_up_to_it(
    sizes: list[int], data: st.DataObject
) -> None:
    ledger = Ledger(Lsn(5))
    open_counts: list[int] = []
    for number, size in enumerate(sizes, 1):
        txn = ledger.begin(float(number))
        for _ in range(size):
            ledger.open(txn)
        ledger.commit(txn, Lsn(number * 10), number)
        open_counts.append(size)
        if data.draw(st.booleans(), label="settle now"):
            settle_some(ledger, open_counts, data)
        check(ledger, open_counts)
    while any(open_counts):
        settle_some(ledger, open_counts, data)
        check(ledger, open_counts)
    assert ledger.settled == ledger.received
    assert ledger.oldest_since is None


def settle_some(ledger: Ledger, open_counts: list[int], data: st.DataObject) -> None:
    choices = [index for index, count in enumerate(open_counts) if count]
    if choices:
        index = data.draw(st.sampled_from(choices), label="transaction")
        count = data.draw(st.integers(1, open_counts[index]), label="count")
        ledger.settle(TxnId(index + 1), count)
        open_counts[index] -= count


def check(ledger: Ledger, open_counts: list[int]) -> None:
    before = ledger.confirmed
    prefix = next((i for i, count in enumerate(open_counts) if count), len(open_counts))
    assert ledger.settled == (prefix * 10 or 5)
    assert ledger.unsettled == len(open_counts) - prefix
    assert before <= ledger.confirm() == ledger.confirmed <= ledger.settled <= ledger.received
    oldest = float(prefix + 1) if prefix < len(open_counts) else None
    assert ledger.oldest_since == oldest


@given(server=st.integers(0, 100), open_now=st.booleans())
def test_a_keepalive_settles_only_while_nothing_is_on_its_way(server: int, open_now: bool) -> None:  # noqa: FBT001 - drawn
    ledger = Ledger(Lsn(50))
    if open_now:
        ledger.begin(0.0)
    ledger.idle(Lsn(server))
    assert ledger.settled == (50 if open_now else max(50, server))
    assert ledger.settled <= ledger.received


def test_a_transaction_that_still_arrives_does_not_settle() -> None:
    ledger = Ledger()
    txn = ledger.begin(0.0)
    ledger.open(txn)
    ledger.settle(txn)
    assert (ledger.settled, ledger.unsettled) == (0, 1)
    ledger.commit(txn, Lsn(9), 77)
    assert (ledger.settled, ledger.settled_commit_us, ledger.unsettled) == (9, 77, 0)


class Txn(NamedTuple):
    """A committed transaction in the server's log, with so many deliveries."""

    number: int
    size: int

    @property
    def commit_lsn(self) -> Lsn:
        return Lsn(self.number * 100)

    @property
    def end_lsn(self) -> Lsn:
        return Lsn(self.number * 100 + 8)


class Write(NamedTuple):
    """Deliveries on their way to the store, as (transaction, delivery), and what it will record."""

    members: frozenset[tuple[int, int]]
    settles: dict[TxnId, int]
    lsn: Lsn


class LedgerMachine(RuleBasedStateMachine):
    """A ledger, the server's log, and what is durable: settled deliveries, the row, the slot."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Txn] = []
        self.durable: set[tuple[int, int]] = set()
        self.row = self.slot = Lsn(0)
        self.start()

    def start(self) -> None:
        """A process begins: the slot sends again what it was not told is settled."""
        self.ledger = Ledger(self.slot)
        self.unread = deque(txn for txn in self.log if txn.commit_lsn >= self.slot)
        self.began: dict[int, TxnId] = {}
        self.arriving: tuple[Txn, list[int]] | None = None
        self.open: dict[tuple[int, int], TxnId] = {}
        self.write: Write | None = None
        self.written: Write | None = None
        self.held: int | None = None

    # -- the server and the reader ----------------------------------------------------------------

    @rule(size=st.integers(0, 3))
    def commit(self, size: int) -> None:
        self.log.append(Txn(len(self.log) + 1, size))
        self.unread.append(self.log[-1])

    @rule(steps=st.integers(1, 8))
    def receive(self, steps: int) -> None:
        for _ in range(steps):
            if self.arriving is None:
                if not self.unread:
                    return
                txn = self.unread.popleft()
                self.arriving = txn, list(range(txn.size))
                self.began[txn.number] = self.ledger.begin(0.0)
                continue
            txn, rest = self.arriving
            if rest:
                self.deliver(txn, rest.pop(0))
            else:
                self.ledger.commit(self.began[txn.number], txn.end_lsn, txn.number)
                self.arriving = None

    def deliver(self, txn: Txn, place: int) -> None:
        if (txn.number, place) not in self.durable:
            self.ledger.open(self.began[txn.number])
            self.open[txn.number, place] = self.began[txn.number]

    @rule()
    def signal(self) -> None:
        """It holds the transaction in which it comes, until it is followed."""
        if self.arriving is not None:
            number = self.arriving[0].number
            self.ledger.hold(self.began[number])
            self.held = self.held or number

    @rule()
    def follow(self) -> None:
        self.ledger.let_go()
        self.held = None

    @rule(further=st.integers(-150, 50))
    def keepalive(self, further: int) -> None:
        """If everything was sent: the WAL goes on without us. Old news change nothing."""
        if not self.unread:
            self.ledger.idle(Lsn(max(0, len(self.log) * 100 + 8 + further)))

    # -- the store --------------------------------------------------------------------------------

    @rule(bits=st.integers(0, 2**8 - 1))
    def take_outbox(self, bits: int) -> None:
        """Some deliveries were answered, or are parked; one write at a time."""
        if self.write is not None or self.written is not None:
            return
        chosen = [each for place, each in enumerate(sorted(self.open)) if bits >> place % 8 & 1]
        settles: dict[TxnId, int] = {}
        for each in chosen:
            settles[self.open[each]] = settles.get(self.open[each], 0) + 1
        self.write = Write(frozenset(chosen), settles, self.ledger.settled_with(settles))

    @rule()
    def store_writes(self) -> None:
        if self.write is None:
            return
        self.durable |= self.write.members
        assert self.write.lsn >= self.slot, "the row is behind the slot"
        self.row = self.write.lsn
        self.written, self.write = self.write, None

    @rule()
    def hear(self) -> None:
        if self.written is None:
            return
        for txn, count in self.written.settles.items():
            self.ledger.settle(txn, count)
        for each in self.written.members:
            del self.open[each]
        self.ledger.record(self.written.lsn)
        self.written = None

    @rule()
    def confirm(self) -> None:
        confirmed = self.ledger.confirm()
        assert self.slot <= confirmed, "the confirmed LSN falls"
        assert confirmed <= self.row, "the slot is ahead of the row"
        self.slot = confirmed
        for txn in self.log:
            if txn.commit_lsn < self.slot:
                assert all((txn.number, place) in self.durable for place in range(txn.size))
                assert txn.number != self.held

    @rule()
    def crash(self) -> None:
        self.start()

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def lsns_are_in_order(self) -> None:
        ledger = self.ledger
        assert ledger.confirmed <= ledger.recorded <= ledger.settled <= ledger.received

    @invariant()
    def settled_is_all_before_the_first_that_is_open(self) -> None:
        here = [txn for txn in self.log if txn.number in self.began]
        waiting = {number for number, _ in self.open}
        if self.arriving is not None:
            waiting.add(self.arriving[0].number)
        if self.held is not None:
            waiting.add(self.held)
        first = next((place for place, txn in enumerate(here) if txn.number in waiting), len(here))
        assert self.ledger.unsettled == len(here) - first
        if first:
            assert self.ledger.settled >= here[first - 1].end_lsn
        if first < len(here):
            assert self.ledger.settled <= here[first].commit_lsn

    def teardown(self) -> None:
        """When everything has been written, everything is confirmed."""
        while self.unread or self.arriving:
            self.receive(1)
        self.follow()
        for _ in range(2):
            self.take_outbox(2**8 - 1)
            self.store_writes()
            self.hear()
        self.confirm()
        assert self.ledger.confirmed == self.ledger.received


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, derandomize=True, database=None
)


def random_step(machine: LedgerMachine, chance: random.Random) -> Callable[[], None]:
    steps: dict[Callable[[], None], float] = {
        lambda: machine.commit(chance.randint(0, 3)): 3,
        lambda: machine.receive(chance.randint(1, 8)): 4,
        machine.signal: 0.5,
        machine.follow: 1,
        lambda: machine.keepalive(chance.randint(-150, 50)): 1,
        lambda: machine.take_outbox(chance.getrandbits(8)): 3,
        machine.store_writes: 3,
        machine.hear: 3,
        machine.confirm: 2,
        machine.crash: 0.3,
    }
    return chance.choices(list(steps), list(steps.values()))[0]


def test_long_random_walks_keep_every_promise() -> None:
    for seed in range(1_500):
        chance = random.Random(seed)
        machine = LedgerMachine()
        for _ in range(chance.choice([20, 60, 150])):
            random_step(machine, chance)()
            machine.lsns_are_in_order()
            machine.settled_is_all_before_the_first_that_is_open()
        machine.teardown()
