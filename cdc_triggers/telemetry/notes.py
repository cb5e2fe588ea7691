"""What is remembered of something that happened, until a span is made of it: plain values.

Classes and no tuples with names: one is made for every step of an event, in a fifth of the time.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.attempt import Response

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Failure, Outcome, Request
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Begin
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.trace import TraceContext

Group = tuple[bytes, bytes]
"""The trace of some events of a transaction, and its `receive` span."""

_BITS: Final = random.getrandbits


class ReceiveNote:
    """A transaction, or a thousand of its events, has arrived.

    Attributes:
        events: how many of them are sampled.
        parent: whose child the span is.
        writers: to which it is linked otherwise.
        began, ended: seconds since 1970.
    """

    __slots__ = ("began", "begin", "ended", "events", "group", "parent", "writers")

    def __init__(
        self,
        group: Group,
        begin: Begin,
        events: int,
        parent: TraceContext | None,
        writers: tuple[TraceContext, ...],
        *,
        began: float,
        ended: float,
    ) -> None:
        self.group = group
        self.begin = begin
        self.events = events
        self.parent = parent
        self.writers = writers
        self.began = began
        self.ended = ended


class AttemptNote:
    """Implements `tracing.Span`: the request of an attempt, and the `process` span above it.

    Once the attempt is over it is the note of it, and holds nothing of the row.

    Attributes:
        ids: of the request's span and of that above it, 8 bytes each.
        writer: the writer's place in its trace, if that is told.
        delivery: None: the attempt is over.

    And then:
        request: method and URL; None: there was none.
        result: the status of the answer, or what went wrong.
        tries: attempts with this one.
        ended: seconds since 1970; it began `ran_s` before, and was queued `queued_s` before.
    """

    __slots__ = (
        *("delivery", "group", "headers", "ids", "sampled", "spec", "writer"),
        *("event_id", "lsn", "op", "schema", "table"),
        *("ended", "follows", "queued_s", "ran_s", "request", "result", "tries"),
    )

    def __init__(self, delivery: Delivery, spec: Trigger, group: Group, sampled: bool) -> None:  # noqa: FBT001 - one caller
        self.delivery: Delivery | None = delivery
        self.spec = spec
        self.group = group
        self.sampled = sampled
        self.writer: TraceContext | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.ids: bytes = int(_BITS(128)).to_bytes(16, "little")

    @property
    def trace_id(self) -> str:
        """See `tracing.Span`."""
        return self.group[0].hex()

    @property
    def span_id(self) -> str:
        """See `tracing.Span`."""
        return self.ids[:8].hex()

    @property
    def process_id(self) -> str:
        """See `tracing.Span`."""
        return self.ids[8:].hex()

    def end(
        self,
        delivery: Delivery,
        request: Request | None,
        outcome: Outcome,
        times: Times,
        follows: str,
    ) -> None:
        """The attempt of `delivery` is over; see `tracing.Tracing.ended`."""
        event = delivery.event
        self.delivery = None
        self.headers = ()
        self.event_id = event.id
        self.lsn: Lsn = event.commit_lsn
        self.op, self.schema, self.table = event.op, event.schema_name, event.table_name
        self.request = None if request is None else (request.method, request.url)
        self.result: int | Failure = outcome.status if isinstance(outcome, Response) else outcome
        self.tries = delivery.tries
        self.follows = follows
        now, self.ended, _ = times
        self.ran_s, self.queued_s = now - delivery.started, now - delivery.queued


class ConfirmNote:
    """An LSN was confirmed, at seconds since 1970, and with it these transactions.

    Attributes:
        groups: each with the tracestate of its writer.
    """

    __slots__ = ("at", "groups", "lsn")

    def __init__(self, lsn: Lsn, at: float, groups: list[tuple[Group, str]]) -> None:
        self.lsn = lsn
        self.at = at
        self.groups = groups


Note = ReceiveNote | AttemptNote | ConfirmNote


def spans(note: Note) -> int:
    """How many spans are made of it."""
    if isinstance(note, AttemptNote):
        return 1 if note.request is None else 2
    return len(note.groups) if isinstance(note, ConfirmNote) else 1
