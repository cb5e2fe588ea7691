"""One captured row change, and what is owed for it: its deliveries."""

from __future__ import annotations

from typing import Final, NamedTuple

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import LogRow
from cdc_triggers.errors import DecodeError

EVENT_BYTES: Final = 2_000
"""What an event and its delivery cost in memory besides the row: measured, alone in its lane."""


_FULL: Final = len("2026-11-24 05:40:00.120001+00")
"""PostgreSQL leaves out zeros at the end: nine of ten have none."""


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
        size = EVENT_BYTES
        for text in (self.old, self.new, self.session, self.trace):
            if text is not None:
                size += len(text)
        return size


def event_of(row: LogRow, commit_lsn: Lsn, position: int) -> Event:
    """The event that a row of the log holds; the one place that knows both forms.

    Raises:
        DecodeError: a number is none, or a name is not UTF-8.
    """
    # by place, here and below: names double the time that NamedTuples of so many fields take
    _, _, event_id, table_id, xid, at, op, schema, table, old, new, session, trace, only = row
    try:
        return Event(
            event_id.decode(),
            int(table_id),
            schema.decode(),
            table.decode(),
            op.decode(),
            iso_utc(at.decode()),
            int(xid),
            old,
            new,
            session,
            trace,
            None if only is None else only.decode(),
            commit_lsn,
            position,
        )
    except ValueError as error:
        raise DecodeError("a row of cdc_triggers.event_log is not what capture writes") from error


def iso_utc(text: str) -> str:
    """PostgreSQL's `2026-11-24 05:40:00.12+00` (TimeZone UTC) as `2026-11-24T05:40:00.120000Z`."""
    if len(text) == _FULL:
        return f"{text[:10]}T{text[11:26]}Z"
    seconds, _, fraction = text.removesuffix("+00").partition(".")
    return f"{seconds[:10]}T{seconds[11:]}.{fraction:0<6}Z"
