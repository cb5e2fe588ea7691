"""What must be written, and what follows when it is: attempts, parks and resolutions in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdc_triggers.core.lsn import ZERO
from cdc_triggers.core.memory import MIB, is_large

if TYPE_CHECKING:
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.ledger import TxnId
    from cdc_triggers.core.memory import Memory
    from cdc_triggers.core.records import AttemptRow, ParkRow, Resolution

ROW_BYTES: Final = 500
"""What a record costs besides the texts in it."""

ANSWERS_BYTES = 8 * MIB
"""Answers of endpoints that wait to be recorded; they may be 64 KiB each, and six times that as
JSON."""

URGENT_BYTES: Final = 4 * MIB

SLOW_BYTES_S = 1 * MIB
"""What a slow server writes in a second."""

LONGEST_S = 60.0


class Outbox:
    """Collects records until they are taken; then another one collects while those are written.

    Attributes:
        settles: transactions that settle when this is written, each with a count.
        settled_lsn: all below it is settled when this is written; the stream's row says so.
        parked: deliveries behind the `parks`, in the same order.
        resolved: the triggers of the `resolutions`, in the same order.
        size: bytes that all this roughly holds.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.attempts: list[AttemptRow] = []
        self.parks: list[ParkRow] = []
        self.parked: list[Delivery] = []
        self.resolutions: list[Resolution] = []
        self.resolved: list[int] = []
        self.settles: dict[TxnId, int] = {}
        self.settled_lsn = ZERO
        self.size = 0
        self._large = 0
        self._answers = 0

    def __len__(self) -> int:
        return len(self.attempts) + len(self.parks) + len(self.resolutions)

    @property
    def long_s(self) -> float:
        """Seconds that writing it may take beyond what is usual, if the server is slow."""
        return min(self.size / SLOW_BYTES_S, LONGEST_S) if self.size > URGENT_BYTES else 0.0

    @property
    def urgent(self) -> bool:
        """True if somebody waits for it: parks free memory and WAL, resolutions their followers."""
        return bool(self.parks or self.resolutions) or self.size >= URGENT_BYTES

    def attempt(self, row: AttemptRow) -> None:
        """Log an attempt; without what the endpoint answered if there is too much of that."""
        size = 0 if row.response is None else _bytes(row.response)
        if self._answers + size > ANSWERS_BYTES:
            row, size = row._replace(response=None), 0
        self._answers += size
        self.attempts.append(row)
        self._hold(ROW_BYTES + size)

    def park(self, delivery: Delivery, row: ParkRow) -> None:
        """Write a delivery down, parked or dead."""
        self.parks.append(row)
        self.parked.append(delivery)
        self._hold(ROW_BYTES + delivery.size)
        if is_large(delivery.size):
            self._large += 1
            self._memory.large_unwritten += 1

    def resolve(self, delivery: Delivery, resolution: Resolution) -> None:
        """Say what became of a delivery that has a row."""
        self.resolutions.append(resolution)
        self.resolved.append(delivery.trigger_id)
        self._hold(ROW_BYTES)

    def settle(self, delivery: Delivery) -> None:
        """When this is written, the stream owes nothing more for this delivery."""
        if delivery.txn is not None:
            self.settles[delivery.txn] = self.settles.get(delivery.txn, 0) + 1
            delivery.txn = None

    def written(self) -> None:
        """It is durable, and about to be forgotten."""
        self._memory.unwritten -= self.size
        self._memory.large_unwritten -= self._large

    def _hold(self, size: int) -> None:
        self.size += size
        self._memory.unwritten += size


def _bytes(text: str) -> int:
    """What a text holds at most."""
    return len(text) if text.isascii() else 4 * len(text)
