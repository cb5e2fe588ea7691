"""What may be confirmed? The highest LSN below which all is settled; nothing else computes it.

A transaction settles when its commit was seen and none of its deliveries is open. The settled LSN
is the `end_lsn` of the last transaction that has no unsettled one before it. It never moves
backwards, never passes an open delivery, and is never `end_lsn + 1` (that can skip a neighbour).

Only what the stream's own row has recorded is confirmed: a slot that is further on was moved by
somebody else, and a starting stream can tell (docs/adr/0014).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NewType

from cdc_triggers.core.lsn import ZERO, Lsn

if TYPE_CHECKING:
    from collections.abc import Mapping

TxnId = NewType("TxnId", int)
"""A transaction's place in the order of arrival, from 1."""


class _Entry:
    """One transaction: a counter, not a set, so that a million rows cost nothing here."""

    __slots__ = ("commit_us", "end_lsn", "open", "since")

    def __init__(self, since: float) -> None:
        self.open = 0
        self.end_lsn: Lsn | None = None
        self.commit_us = 0
        self.since = since


class Ledger:
    """Counts what is open in each transaction; received >= settled >= recorded >= confirmed."""

    def __init__(self, confirmed: Lsn = ZERO) -> None:
        self.received = confirmed
        self.settled = confirmed
        self.recorded = confirmed
        self.confirmed = confirmed
        self.settled_commit_us = 0
        self._entries: deque[_Entry] = deque()
        self._first = 1
        self._held: TxnId | None = None

    def begin(self, now: float) -> TxnId:
        """A transaction starts to arrive; `now` is kept to tell its age."""
        assert not self._entries or self._entries[-1].end_lsn is not None, "transactions interleave"
        self._entries.append(_Entry(now))
        return TxnId(self._first + len(self._entries) - 1)

    def open(self, txn: TxnId) -> None:
        """One more delivery of this transaction is owed."""
        self._entry(txn).open += 1

    def commit(self, txn: TxnId, end_lsn: Lsn, commit_us: int) -> None:
        """The transaction is complete: it settles as soon as nothing in it is open."""
        entry = self._entry(txn)
        assert entry.end_lsn is None, "committed twice"
        entry.end_lsn = end_lsn
        entry.commit_us = commit_us
        self.received = max(self.received, end_lsn)
        self._advance()

    def settle(self, txn: TxnId, count: int = 1) -> None:
        """Some deliveries need nothing more from the stream: recorded, or durably parked."""
        entry = self._entry(txn)
        entry.open -= count
        assert entry.open >= 0, "settled more than was opened"
        if not entry.open:
            self._advance()

    def hold(self, txn: TxnId | None) -> None:
        """This transaction does not settle before `let_go`; None: it was in none.

        It has a signal that is not followed yet: whoever streams next would not hear of it.
        """
        if self._held is None and txn is not None:
            self._held = txn
            self.open(txn)

    def let_go(self) -> None:
        """The signal was followed; nothing if there was none."""
        txn, self._held = self._held, None
        if txn is not None:
            self.settle(txn)

    def idle(self, server_lsn: Lsn) -> None:
        """All that was committed before `server_lsn` has been received (a keepalive said so).

        Only while nothing is unsettled may it count as settled: so a database where nothing is
        published does not keep WAL for ever.
        """
        if not self._entries and server_lsn > self.settled:
            self.received = max(self.received, server_lsn)
            self.settled = server_lsn

    def settled_with(self, settles: Mapping[TxnId, int]) -> Lsn:
        """The settled LSN as it will be once these deliveries have settled too; changes nothing."""
        settled = self.settled
        for txn, entry in enumerate(self._entries, self._first):
            if entry.end_lsn is None or entry.open > settles.get(TxnId(txn), 0):
                break
            settled = max(settled, entry.end_lsn)
        return settled

    def record(self, lsn: Lsn) -> None:
        """The stream's row says durably that all below `lsn` is settled: it may be confirmed."""
        assert lsn <= self.settled, "recorded as settled what is not"
        self.recorded = max(self.recorded, lsn)

    def confirm(self) -> Lsn:
        """The LSN to confirm now; from here on it counts as confirmed."""
        assert self.confirmed <= self.recorded <= self.settled <= self.received
        self.confirmed = self.recorded
        return self.confirmed

    @property
    def unsettled(self) -> int:
        """Transactions that hold the settled LSN back."""
        return len(self._entries)

    @property
    def oldest_since(self) -> float | None:
        """When the oldest unsettled transaction began to arrive, on the caller's clock."""
        return self._entries[0].since if self._entries else None

    def _entry(self, txn: TxnId) -> _Entry:
        index = txn - self._first
        assert 0 <= index < len(self._entries), f"transaction {txn} has settled already"
        return self._entries[index]

    def _advance(self) -> None:
        entries = self._entries
        while entries and entries[0].end_lsn is not None and not entries[0].open:
            entry = entries.popleft()
            self._first += 1
            assert entry.end_lsn is not None
            # commit order is LSN order; max() guards the invariant against a server that lies
            self.settled = max(self.settled, entry.end_lsn)
            self.settled_commit_us = entry.commit_us
