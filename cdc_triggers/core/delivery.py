"""One delivery on its way: an event owed to a trigger."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.ledger import TxnId
    from cdc_triggers.core.records import AttemptRow, Revision
    from cdc_triggers.core.retry import Decision


class Row(Enum):
    """Has this delivery a row in `cdc_triggers.delivery`?"""

    ABSENT = auto()
    PENDING = auto()
    PRESENT = auto()


Keys = tuple[str | None, str | None]
"""Its ordering key, and the one before an UPDATE that changed it."""


class Delivery:
    """Mutable while it is on its way; whoever holds it is the engine.

    Attributes:
        token: the engine's handle, unique in this process.
        txn: the transaction that waits for it; None once it needs nothing from the stream.
        row, row_id: whether it is parked durably, and as which row.
        tries: attempts made.
        committed_at: seconds since 1970 when its transaction committed; None: it was parked.
        queued: monotonic seconds when it came here.
        started: the same, and then when the running attempt began.
        finished: an attempt that ended while the row was being written, and what follows from it.
    """

    __slots__ = (
        "committed_at",
        "event",
        "finished",
        "key",
        "old_key",
        "queued",
        "revision",
        "row",
        "row_id",
        "size",
        "started",
        "token",
        "tries",
        "trigger_id",
        "txn",
    )

    def __init__(
        self,
        token: int,
        trigger_id: int,
        revision: Revision,
        event: Event,
        keys: Keys = (None, None),
        *,
        now: float = 0.0,
    ) -> None:
        self.token = token
        self.trigger_id = trigger_id
        self.revision = revision
        self.event = event
        self.key, self.old_key = keys
        self.txn: TxnId | None = None
        self.committed_at: float | None = None
        self.row = Row.ABSENT
        self.row_id = 0
        self.tries = 0
        self.size = event.size + len(self.key or "") + len(self.old_key or "")
        self.queued = self.started = now
        self.finished: tuple[Decision, AttemptRow] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The lanes it goes through: none, one, or two for an UPDATE that changed its key."""
        if self.key is None:
            return ()
        return (self.key,) if self.old_key is None else (self.key, self.old_key)

    def forget_images(self) -> None:
        """Its body was made and it has a row: old and new are not needed again."""
        self.event = self.event._replace(old=None, new=None)

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the stream."""
        return self.event.commit_lsn, self.event.position
