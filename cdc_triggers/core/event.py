"""One captured row change, and what is owed for it: its deliveries."""

from __future__ import annotations

from typing import NamedTuple

from cdc_triggers.core.lsn import Lsn


class Event(NamedTuple):
    """One captured row change, as read from the stream or from a parked delivery.

    Attributes:
        id: UUID in text; the same for ever.
        table_id: `cdc_triggers.captured_table.id`.
        schema_name, table_name: the table's name when the row changed.
        op: INSERT, UPDATE, DELETE or MANUAL.
        created_at: ISO 8601, UTC, microseconds, `Z`.
        xid: 64-bit transaction id (xid8).
        old, new: the row as JSON bytes, exactly as PostgreSQL wrote it.
        session, trace: the writer's settings, unparsed: they may hold anything.
        trigger_name: for MANUAL, the one trigger it is for.
        commit_lsn, position: the place in the stream: order by these two, never by time.
    """

    id: str
    table_id: int
    schema_name: str
    table_name: str
    op: str
    created_at: str
    xid: int
    old: bytes | None
    new: bytes | None
    session: bytes | None
    trace: bytes | None
    trigger_name: str | None
    commit_lsn: Lsn
    position: int

    @property
    def size(self) -> int:
        """Bytes that this event roughly holds in memory."""
        return 400 + len(self.old or b"") + len(self.new or b"")
