"""What is remembered of something that happened, until a span is made of it: plain values."""

from __future__ import annotations

from typing import NamedTuple

from cdc_triggers.core.attempt import Failure
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import Begin
from cdc_triggers.core.spec import Trigger
from cdc_triggers.core.trace import TraceContext

Group = tuple[bytes, bytes]
"""The trace of some events of a transaction, and its `receive` span."""


class ReceiveNote(NamedTuple):
    """A transaction, or a thousand of its events, has arrived.

    Attributes:
        events: how many of them are sampled.
        parent: whose child the span is.
        writers: to which it is linked otherwise.
        began, ended: seconds since 1970.
    """

    group: Group
    begin: Begin
    events: int
    parent: TraceContext | None
    writers: tuple[TraceContext, ...]
    began: float
    ended: float


class AttemptNote(NamedTuple):
    """An attempt is over. It holds nothing of the row.

    Attributes:
        ids: of the request's span and of that above it, 8 bytes each.
        event: its id, the LSN of its commit, operation, schema and table.
        request: method and URL; None: there was none.
        result: the status of the answer, or what went wrong.
        tries: attempts with this one.
        times: its end, in seconds since 1970; seconds since it began, and since it was queued.
    """

    group: Group
    ids: bytes
    writer: TraceContext | None
    spec: Trigger
    event: tuple[str, Lsn, str, str, str]
    request: tuple[str, str] | None
    result: int | Failure
    tries: int
    follows: str
    times: tuple[float, float, float]


class ConfirmNote(NamedTuple):
    """An LSN was confirmed, at seconds since 1970, and with it these transactions.

    Attributes:
        groups: each with the tracestate of its writer.
    """

    lsn: Lsn
    at: float
    groups: tuple[tuple[Group, str], ...]


Note = ReceiveNote | AttemptNote | ConfirmNote


def spans(note: Note) -> int:
    """How many spans are made of it."""
    if isinstance(note, AttemptNote):
        return 1 if note.request is None else 2
    return len(note.groups) if isinstance(note, ConfirmNote) else 1
