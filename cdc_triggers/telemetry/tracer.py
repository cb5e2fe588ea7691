"""Tells what happens to sampled events in spans, each when what it tells of is over.

A transaction's events are in one trace, in thousands: `receive`, below it a `process` per attempt
with the request that it makes, and the `confirm` of its LSN. Ids of trace and `receive` are made
of the transaction's place in the stream: an attempt that another process makes tomorrow belongs to
the same trace.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Protocol

from cdc_triggers.core.hasura_event import PLACE
from cdc_triggers.core.lsn import ZERO
from cdc_triggers.core.messages import Begin, Commit, LogRow
from cdc_triggers.core.trace import TraceContext, context_of
from cdc_triggers.telemetry.arrival import Arrival
from cdc_triggers.telemetry.attempt_span import AttemptSpan
from cdc_triggers.telemetry.group import Group
from cdc_triggers.telemetry.semantics import place

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.telemetry.propagation import Headers
    from cdc_triggers.telemetry.sampler import Sampler
    from cdc_triggers.telemetry.semantics import Semantics
    from cdc_triggers.tracing import Span

CHUNK_EVENTS: Final = 1_000
"""Events of a transaction in one trace: a larger one no backend likes to show."""

PENDING: Final = 16_384
"""Received transactions of which the confirmation is awaited."""

AT_ONCE: Final = 1_000
"""Confirmed transactions told of in one turn of the loop. All that may be pending took 20 ms on a
quiet machine, compiled 9 ms, in which no delivery went on."""

_MASK: Final = (1 << 128) - 1
_ODD: Final = (0x9E3779B97F4A7C15F39CC0605CEDC835, 0xD1342543DE82EF95BF58476D1CE4E5B9)
_SPAN: Final = 0x94D049BB133111EB2545F4914F6CDD1D


def trace_of(slot: str, lsn: Lsn, xid: int, event_id: str, position: int = 0) -> str:
    """The trace of an event that has none of its writer's, for whoever shows where it is."""
    seed, chunk = _part(_seed(slot), lsn, event_id, position)
    return _mixed(seed, lsn, xid, chunk).to_bytes(16, "big").hex()


def _part(seed: int, lsn: Lsn, event_id: str, position: int) -> tuple[int, int]:
    """Which events of a place are in one trace: the seed of its ids, and the thousand."""
    if lsn <= PLACE:  # taken over from Hasura: it was in no stream, and with no other event
        return seed ^ zlib.crc32(event_id.encode()) << 48, 0
    return seed, position // CHUNK_EVENTS


def _seed(slot: str) -> int:
    return int.from_bytes(blake2b(slot.encode(), digest_size=16).digest(), "big")


def _mixed(seed: int, lsn: int, xid: int, chunk: int) -> int:
    """128 bits that look random. Different places have different ones: every step can be undone."""
    place = (lsn << 48 | (chunk & 0xFFFF) << 32 | xid & 0xFFFFFFFF) ^ seed
    mixed = place * _ODD[0] & _MASK
    mixed = (mixed ^ mixed >> 61) * _ODD[1] & _MASK
    return mixed ^ mixed >> 59


class Sink(Protocol):
    """Where spans go."""

    def put(self, record: bytes) -> None:
        """Take one; never waits."""
        ...

    def lose(self) -> None:
        """One could not be made: the event goes on without it."""
        ...


class Tracer:
    """Implements `tracing.Tracing`.

    Args:
        sink: takes the spans.
        semantics: makes them.
        sampled: decides by event id and the writer's context.
        propagators: make the headers of a request.
        parenting: spans are children of the writer's, not linked to it.
    """

    def __init__(
        self,
        sink: Sink,
        semantics: Semantics,
        sampled: Sampler,
        propagators: tuple[Callable[[TraceContext], Headers], ...],
        slot: str,
        *,
        parenting: bool,
    ) -> None:
        self._put = sink.put
        self._lose = sink.lose
        self._semantics = semantics
        self._sampled = sampled
        self._propagators = propagators
        self._parenting = parenting
        self._seed = _seed(slot)
        self._begin: Begin | None = None
        self._began = 0.0
        self._position = 0
        self._arrivals: dict[tuple[str, str] | None, Arrival] = {}
        self._pending: deque[tuple[Lsn, Group, str]] = deque(maxlen=PENDING)
        self._recent: dict[Lsn, Group] = {}
        self._confirmed: Lsn = ZERO
        self._confirmed_at = 0.0

    def received(self, message: Message, at: float) -> None:
        """See `tracing.Tracing.received`."""
        kind = type(message)
        if kind is LogRow:
            self._row(message, at)  # type: ignore[arg-type]
        elif kind is Begin:
            self._start(message, at)  # type: ignore[arg-type]
        elif kind is Commit:
            if self._arrivals:
                self._flush(at)
            self._begin = None

    def begin(self, delivery: Delivery, spec: Trigger) -> AttemptSpan:
        """See `tracing.Tracing.begin`."""
        event, writer, parent = delivery.event, None, None
        if event.trace is not None:
            writer = context_of(event.trace)
            parent = writer if self._parenting else None
        group = None
        if parent is None and event.position < CHUNK_EVENTS:
            group = self._recent.get(event.commit_lsn)
        if group is None:
            group = self._group_of(event, parent)
        sampled = (writer is None and self._sampled.all) or self._sampled(event.id, writer)
        span = AttemptSpan(delivery, spec, group, sampled)
        if writer is None:
            context = TraceContext(span.trace_id, span.span_id, sampled, "")
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
        if not (isinstance(span, AttemptSpan) and span.sampled):
            return
        try:
            spans = self._semantics.attempted(span, request, outcome, times, follows)
        except Exception:  # noqa: BLE001 - see `Sink.lose`
            self._lose()
            return
        put = self._put
        for told in spans:
            put(told)

    def confirmed(self, lsn: Lsn, at: float) -> None:
        """See `tracing.Tracing.confirmed`; of many transactions some are told of in later turns."""
        self._confirmed = lsn
        self._confirmed_at = at
        self._go_on()

    def close(self) -> None:
        """Tell now what was left for later turns."""
        while self._tell_some():
            pass

    def _go_on(self) -> None:
        if self._tell_some():
            asyncio.get_running_loop().call_soon(self._go_on)

    def _tell_some(self) -> bool:
        """Tell of confirmed transactions; True if there are more."""
        pending, recent = self._pending, self._recent
        put, semantics = self._put, self._semantics
        lsn, at = self._confirmed, self._confirmed_at
        for _ in range(AT_ONCE):
            if not pending or pending[0][0] >= lsn:
                return False
            committed, group, state = pending.popleft()
            recent.pop(committed, None)
            try:
                told = semantics.confirmed(group, state, lsn, at)
            except Exception:  # noqa: BLE001 - see `Sink.lose`
                self._lose()
            else:
                put(told)
        return True

    def _start(self, begin: Begin, at: float) -> None:
        self._begin = begin
        self._began = at
        self._position = 0
        if self._arrivals:
            self._arrivals.clear()
        pending, lsn = self._pending, begin.final_lsn
        if pending and pending[-1][0] >= lsn:
            self._forget(lsn)

    def _forget(self, lsn: Lsn) -> None:
        """Commits come in order: what was received from there on comes again, or never was.

        The first after a reconnect, the second after a failover that lost the end of the WAL.
        """
        pending = self._pending
        while pending and pending[-1][0] >= lsn:
            self._recent.pop(pending.pop()[0], None)

    def _row(self, row: LogRow, at: float) -> None:
        if self._arrivals and self._position % CHUNK_EVENTS == 0:
            self._flush(at)
        self._position += 1
        writer = None if row.trace is None else context_of(row.trace)
        if not ((writer is None and self._sampled.all) or self._sampled(row.id.decode(), writer)):
            return
        parent = writer if self._parenting else None
        # by its ids alone: of another state it is the same span, and there is one below it
        above = None if parent is None else (parent.trace_id, parent.span_id)
        arrival = self._arrivals.get(above)
        if arrival is None:
            arrival = self._arrivals[above] = Arrival(parent)
        arrival.add(writer)

    def _flush(self, at: float) -> None:
        """The events since the last one have arrived; the next is of another thousand."""
        begin = self._begin
        if begin is None:
            return
        chunk = (self._position - 1) // CHUNK_EVENTS
        lsn, began_s = begin.final_lsn, self._began
        for arrival in self._arrivals.values():
            parent = arrival.parent
            group = self._group(self._seed, lsn, begin.xid, chunk, parent)
            try:
                told = self._semantics.received(group, arrival, begin, began_s, at)
            except Exception:  # noqa: BLE001 - see `Sink.lose`
                self._lose()
                continue
            self._put(told)
            if len(self._pending) >= PENDING:
                self._lose()  # that of the oldest, which makes room
            self._pending.append((lsn, group, "" if parent is None else parent.state))
            if parent is None and not chunk:
                if len(self._recent) >= PENDING:
                    self._recent.clear()
                self._recent[lsn] = group
        self._arrivals.clear()

    def _group_of(self, event: Event, parent: TraceContext | None) -> Group:
        lsn = event.commit_lsn
        seed, chunk = _part(self._seed, lsn, event.id, event.position)
        return self._group(seed, lsn, event.xid, chunk, parent)

    def _group(
        self, seed: int, lsn: Lsn, xid: int, chunk: int, parent: TraceContext | None
    ) -> Group:
        if parent is not None:
            seed ^= int(parent.trace_id, 16) ^ int(parent.span_id, 16)
        mixed = _mixed(seed, lsn, xid, chunk)
        span_id = ((mixed * _SPAN & _MASK) >> 64).to_bytes(8, "big")
        trace_id = mixed.to_bytes(16, "big") if parent is None else bytes.fromhex(parent.trace_id)
        return Group(trace_id, span_id, place(lsn))
