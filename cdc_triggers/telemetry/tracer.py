"""Notes what happens to sampled events; spans are made of the notes elsewhere, in batches.

A transaction's events are in one trace, in thousands: `receive`, below it a `process` per attempt
with the request that it makes, and the `confirm` of its LSN. Ids of trace and `receive` are made
of the transaction's place in the stream: an attempt that another process makes tomorrow belongs to
the same trace.
"""

from __future__ import annotations

import zlib
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.messages import Begin, Commit, LogRow
from cdc_triggers.core.trace import TraceContext, context_of
from cdc_triggers.telemetry.notes import AttemptNote, ConfirmNote, Group, ReceiveNote

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.telemetry.notes import Note
    from cdc_triggers.telemetry.propagation import Headers
    from cdc_triggers.telemetry.sampler import Sampler
    from cdc_triggers.tracing import Span

CHUNK_EVENTS: Final = 1_000
"""Events of a transaction in one trace: a larger one no backend likes to show."""

LINKS: Final = 32
PENDING: Final = 16_384
"""Received transactions of which the confirmation is awaited."""

_MASK: Final = (1 << 128) - 1
_ODD: Final = (0x9E3779B97F4A7C15F39CC0605CEDC835, 0xD1342543DE82EF95BF58476D1CE4E5B9)
_SPAN: Final = 0x94D049BB133111EB2545F4914F6CDD1D


def trace_of(slot: str, lsn: Lsn, xid: int, position: int = 0) -> str:
    """The trace of an event that has none of its writer's, for whoever shows where it is."""
    return _mixed(_seed(slot), lsn, xid, position // CHUNK_EVENTS).to_bytes(16, "big").hex()


def _seed(slot: str) -> int:
    return int.from_bytes(blake2b(slot.encode(), digest_size=16).digest(), "big")


def _mixed(seed: int, lsn: int, xid: int, chunk: int) -> int:
    """128 bits that look random. Different places have different ones: every step can be undone."""
    place = (lsn << 48 | (chunk & 0xFFFF) << 32 | xid & 0xFFFFFFFF) ^ seed
    mixed = place * _ODD[0] & _MASK
    mixed = (mixed ^ mixed >> 61) * _ODD[1] & _MASK
    return mixed ^ mixed >> 59


class _Received:
    """Sampled events of one group that have arrived."""

    __slots__ = ("count", "writers")

    def __init__(self) -> None:
        self.count = 0
        self.writers: tuple[TraceContext, ...] = ()


class Tracer:
    """Implements `tracing.Tracing`.

    Args:
        put: takes notes; never waits.
        sampled: decides by event id and the writer's context.
        propagators: make the headers of a request.
        parenting: spans are children of the writer's, not linked to it.
    """

    def __init__(
        self,
        put: Callable[[Note], None],
        sampled: Sampler,
        propagators: tuple[Callable[[TraceContext], Headers], ...],
        slot: str,
        *,
        parenting: bool,
    ) -> None:
        self._put = put
        self._sampled = sampled
        self._propagators = propagators
        self._parenting = parenting
        self._seed = _seed(slot)
        self._begin: Begin | None = None
        self._began = 0.0
        self._position = 0
        self._received: dict[TraceContext | None, _Received] = {}
        self._pending: deque[tuple[Lsn, tuple[Group, str]]] = deque(maxlen=PENDING)

    def received(self, message: Message, at: float) -> None:
        """See `tracing.Tracing.received`."""
        kind = type(message)
        if kind is LogRow:
            self._row(message, at)  # type: ignore[arg-type]
        elif kind is Begin:
            self._begin = message  # type: ignore[assignment]
            self._began = at
            self._position = 0
            if self._received:
                self._received.clear()
        elif kind is Commit:
            if self._received:
                self._flush(at)
            self._begin = None

    def begin(self, delivery: Delivery, spec: Trigger) -> AttemptNote:
        """See `tracing.Tracing.begin`."""
        event = delivery.event
        writer = None if event.trace is None else context_of(event.trace)
        sampled = self._sampled(event.id, writer)
        span = AttemptNote(delivery, spec, self._group_of(event, writer), sampled)
        if writer is None:
            context = TraceContext(span.trace_id, span.span_id, sampled)
        elif sampled:
            span.writer = writer
            state = writer.state if self._parenting else ""
            context = TraceContext(span.trace_id, span.span_id, sampled, state)
        else:
            context = writer  # nothing is made here: the writer's span stays the last known
        for make in self._propagators:
            span.headers += make(context)
        return span

    def ended(
        self, span: Span, request: Request | None, outcome: Outcome, times: Times, follows: str
    ) -> None:
        """See `tracing.Tracing.ended`."""
        if not (isinstance(span, AttemptNote) and span.sampled) or span.delivery is None:
            return
        span.end(span.delivery, request, outcome, times, follows)
        self._put(span)

    def confirmed(self, lsn: Lsn, at: float) -> None:
        """See `tracing.Tracing.confirmed`."""
        pending = self._pending
        if not pending or pending[0][0] >= lsn:
            return
        groups: list[tuple[Group, str]] = []
        while pending and pending[0][0] < lsn:
            groups.append(pending.popleft()[1])
            if len(groups) >= LINKS:
                self._put(ConfirmNote(lsn, at, groups))
                groups = []
        if groups:
            self._put(ConfirmNote(lsn, at, groups))

    def _row(self, row: LogRow, at: float) -> None:
        if self._received and self._position % CHUNK_EVENTS == 0:
            self._flush(at)
        self._position += 1
        writer = None if row.trace is None else context_of(row.trace)
        if not ((writer is None and self._sampled.all) or self._sampled(row.id.decode(), writer)):
            return
        key = writer if self._parenting else None
        group = self._received.get(key)
        if group is None:
            group = self._received[key] = _Received()
        group.count += 1
        writers = group.writers
        if writer is not None and len(writers) < LINKS and writer not in writers:
            group.writers = (*writers, writer)

    def _flush(self, at: float) -> None:
        """The events since the last one have arrived; the next is of another thousand."""
        begin = self._begin
        if begin is None:
            return
        chunk = (self._position - 1) // CHUNK_EVENTS
        for writer, received in self._received.items():
            group = self._group(begin.final_lsn, begin.xid, chunk, writer)
            count, writers = received.count, received.writers
            self._put(
                ReceiveNote(group, begin, count, writer, writers, began=self._began, ended=at)
            )
            state = "" if writer is None else writer.state
            self._pending.append((begin.final_lsn, (group, state)))
        self._received.clear()

    def _group_of(self, event: Event, writer: TraceContext | None) -> Group:
        parent = writer if self._parenting else None
        if not event.commit_lsn:  # taken over from Hasura: it was in no stream
            return self._group(zlib.crc32(event.id.encode()), event.xid, 0, parent)
        return self._group(event.commit_lsn, event.xid, event.position // CHUNK_EVENTS, parent)

    def _group(self, lsn: int, xid: int, chunk: int, writer: TraceContext | None) -> Group:
        seed = self._seed
        if writer is not None:
            seed ^= int(writer.trace_id, 16) ^ int(writer.span_id, 16)
        mixed = _mixed(seed, lsn, xid, chunk)
        span_id = ((mixed * _SPAN & _MASK) >> 64).to_bytes(8, "big")
        if writer is not None:
            return bytes.fromhex(writer.trace_id), span_id
        return mixed.to_bytes(16, "big"), span_id
