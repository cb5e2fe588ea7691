"""What must be written, and what follows when it is: attempts, parks and resolutions in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.ledger import TxnId
    from cdc_triggers.core.records import AttemptRow, ParkRow, Resolution


class Outbox:
    """Collects records until they are taken; then another one collects while those are written.

    Attributes:
        settles: transactions that settle when this is written, each with a count.
        parked: deliveries behind the `parks`, in the same order.
        resolved: deliveries behind the `resolutions`, in the same order.
    """

    def __init__(self) -> None:
        self.attempts: list[AttemptRow] = []
        self.parks: list[ParkRow] = []
        self.parked: list[Delivery] = []
        self.resolutions: list[Resolution] = []
        self.resolved: list[Delivery] = []
        self.settles: dict[TxnId, int] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self.attempts) + len(self.parks) + len(self.resolutions)

    @property
    def urgent(self) -> bool:
        """True if somebody waits for it: parks free memory and WAL, resolutions their followers."""
        return bool(self.parks or self.resolutions)

    def attempt(self, row: AttemptRow) -> None:
        """Log an attempt."""
        self.attempts.append(row)
        self.size += 300 + len(row.response or "")

    def park(self, delivery: Delivery, row: ParkRow) -> None:
        """Write a delivery down, parked or dead."""
        self.parks.append(row)
        self.parked.append(delivery)
        self.size += delivery.size

    def resolve(self, delivery: Delivery, resolution: Resolution) -> None:
        """Say what became of a delivery that has a row."""
        self.resolutions.append(resolution)
        self.resolved.append(delivery)

    def settle(self, delivery: Delivery) -> None:
        """When this is written, the stream owes nothing more for this delivery."""
        if delivery.txn is not None:
            self.settles[delivery.txn] = self.settles.get(delivery.txn, 0) + 1
            delivery.txn = None
