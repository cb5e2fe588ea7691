"""What happens to events, in spans: their names and what they say, by OpenTelemetry's conventions.

Messaging for `receive`, `process` and `confirm`, HTTP for requests, database for where the events
come from; `cdc_triggers.*` for what no convention has. No row values, no header values, no bodies.
"""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from cdc_triggers.core.attempt import Response
from cdc_triggers.core.lsn import ZERO, show
from cdc_triggers.telemetry import otlp
from cdc_triggers.telemetry.otlp import Kind, Number, Pairs, Template, Text, attribute
from cdc_triggers.telemetry.redaction import written_url

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Failure, Outcome, Request
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Begin
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.trace import TraceContext
    from cdc_triggers.telemetry.arrival import Arrival
    from cdc_triggers.telemetry.attempt_span import AttemptSpan
    from cdc_triggers.telemetry.group import Group

K = TypeVar("K")
V = TypeVar("V")

CACHED: Final = 1_000
_BITS: Final = random.getrandbits

PORTS = {"http": 80, "https": 443}

_ID: Final = Text("messaging.message.id")
_LSN: Final = Text("cdc_triggers.lsn")
_AGE: Final = Number("cdc_triggers.commit_age_ms")
_COUNT: Final = Number("messaging.batch.message_count")

_Target = tuple[str, str]
"""Method and URL of a request."""

_Key = tuple[str, str, str, str, "_Target | None", "int | Failure", int, str]


class _Alike:
    """What attempts have in common that do the same to the same end: most of their spans.

    Attributes:
        request: None: there was none.
        result, answered, follows: attributes of both spans, of the request's, and of `process`.
    """

    __slots__ = ("answered", "follows", "process", "request", "result", "spec")

    def __init__(self, spec: Trigger, process: Template, request: Template | None) -> None:
        self.spec = spec
        self.process = process
        self.request = request
        self.result = self.answered = self.follows = b""

    def ended(self, result: int | Failure, tries: int, follows: str) -> None:
        """They ended so."""
        self.result = attribute("cdc_triggers.attempt", tries) + _failed(result)
        self.answered = self.result + _answered(result, tries)
        self.follows = attribute("cdc_triggers.outcome", follows)


class Semantics:
    """Makes the spans of one stream. Nothing of what they tell of is kept.

    Args:
        slot: of the stream.
        database: its name, as far as it is known.
        parenting: spans are children of the writer's, not linked to it.
    """

    def __init__(self, slot: str, database: str = "", *, parenting: bool = False) -> None:
        self._parenting = parenting
        where: Pairs = (("messaging.system", "cdc_triggers"), ("db.system.name", "postgresql"))
        self._where = (*where, ("db.namespace", database)) if database else where
        received = (*self._where, *_operation("receive", "receive", slot))
        confirmed = (*self._where, *_operation("confirm", "settle", slot))
        self._receive = Template(f"receive {slot}", Kind.CLIENT, received, remote=True)
        self._confirm = Template(f"confirm {slot}", Kind.CLIENT, confirmed)
        self._processes: dict[tuple[str, str, str, str], tuple[Trigger, Template]] = {}
        self._requests: dict[tuple[str, str, str], tuple[Trigger, Template]] = {}
        self._alike: dict[_Key, _Alike] = {}
        self._last: tuple[Lsn, bytes] = (ZERO, place(ZERO))

    def received(
        self, group: Group, arrival: Arrival, begin: Begin, began: float, ended: float
    ) -> bytes:
        """Events of a transaction have arrived, from `began` to `ended`, seconds since 1970."""
        age_us = max(0, int(ended * 1e6) - begin.commit_us)
        own = _COUNT.part(arrival.events) + group.lsn + _AGE.part(age_us // 1000)
        above, parent = b"", arrival.parent
        if parent is not None:
            above = bytes.fromhex(parent.span_id)
            own += _state(parent.state)
        elif arrival.writers:
            own += b"".join(map(otlp.link, arrival.writers))
        began_ns, ended_ns = int(began * 1e9), int(ended * 1e9)
        return self._receive.span(group.trace_id, group.span_id, above, began_ns, ended_ns, own=own)

    def attempted(
        self,
        span: AttemptSpan,
        request: Request | None,
        outcome: Outcome,
        times: Times,
        follows: str,
    ) -> tuple[bytes, ...]:
        """An attempt is over: see `tracing.Tracing.ended`. Two spans, or one without a request."""
        delivery, group, ids = span.delivery, span.group, span.ids
        trace_id, own_id, process_id = group.trace_id, ids[:8], ids[8:]
        event = delivery.event
        target = None if request is None else (request.method, request.url)
        result = outcome.status if isinstance(outcome, Response) else outcome
        spec, schema, table = span.spec, event.schema_name, event.table_name
        key = (spec.name, event.op, schema, table, target, result, delivery.tries, follows)
        alike = self._alike_of(spec, key)
        more = b"" if span.writer is None else self._told(span.writer)
        now, wall, _ = times
        end_ns, event_id = int(wall * 1e9), _ID.part(event.id)
        start_ns = end_ns - int((now - delivery.queued) * 1e9)
        own = b"".join((event_id, alike.result, group.lsn, alike.follows, more))
        process = alike.process.span(trace_id, process_id, group.span_id, start_ns, end_ns, own=own)
        if alike.request is None:
            return (process,)
        start_ns = end_ns - int((now - delivery.started) * 1e9)
        own = event_id + alike.answered
        if self._parenting:
            own += more
        return alike.request.span(trace_id, own_id, process_id, start_ns, end_ns, own=own), process

    def confirmed(self, group: Group, state: str, lsn: Lsn, at: float) -> bytes:
        """`lsn` was confirmed, and with it these events, whose writer has this tracestate."""
        if lsn != self._last[0]:
            self._last = (lsn, place(lsn))
        own = self._last[1] + _state(state) if state else self._last[1]
        span_id, ns = int(_BITS(64)).to_bytes(8, "little"), int(at * 1e9)
        return self._confirm.span(group.trace_id, span_id, group.span_id, ns, ns, own=own)

    def _told(self, writer: TraceContext) -> bytes:
        return _state(writer.state) if self._parenting else otlp.link(writer)

    def _alike_of(self, spec: Trigger, key: _Key) -> _Alike:
        alike = self._alike.get(key)
        if alike is not None and alike.spec is spec:
            return alike
        _, op, schema, table, target, result, tries, follows = key
        process = self._process(spec, op, schema, table)
        alike = _Alike(spec, process, target and self._request(spec, *target))
        alike.ended(result, tries, follows)
        _remember(self._alike, key, alike)
        return alike

    def _process(self, spec: Trigger, op: str, schema: str, table: str) -> Template:
        key = (spec.name, op, schema, table)
        known = self._processes.get(key)
        if known is not None and known[0] is spec:
            return known[1]
        pairs = (
            *self._where,
            *_operation("process", "process", spec.name),
            ("db.collection.name", f"{schema}.{table}"),
            ("db.operation.name", op),
            ("cdc_triggers.trigger", spec.name),
        )
        template = Template(f"process {spec.name}", Kind.CONSUMER, pairs)
        _remember(self._processes, key, (spec, template))
        return template

    def _request(self, spec: Trigger, method: str, url: str) -> Template:
        key = (spec.name, method, _authority(url))
        known = self._requests.get(key)
        if known is not None and known[0] is spec:
            return known[1]
        template = Template(method, Kind.CLIENT, _target(spec, method, url))
        _remember(self._requests, key, (spec, template))
        return template


def place(lsn: Lsn) -> bytes:
    """Part of a span: its place in the stream."""
    return _LSN.part(show(lsn))


def _answered(result: int | Failure, tries: int) -> bytes:
    found = b""
    if isinstance(result, int):
        found = attribute("http.response.status_code", result)
    return found + attribute("http.request.resend_count", tries - 1) if tries > 1 else found


def _failed(result: int | Failure) -> bytes:
    if not isinstance(result, int):
        return attribute("error.type", result.kind.value) + otlp.error(result.message)
    if HTTPStatus.OK <= result < HTTPStatus.MULTIPLE_CHOICES:
        return b""
    return attribute("error.type", str(result)) + otlp.error(f"HTTP {result}")


def _state(text: str) -> bytes:
    return otlp.state(text) if text else b""


def _operation(name: str, kind: str, destination: str) -> Pairs:
    return (
        ("messaging.operation.name", name),
        ("messaging.operation.type", kind),
        ("messaging.destination.name", destination),
    )


def _target(spec: Trigger, method: str, text: str) -> Pairs:
    pairs: Pairs = (("http.request.method", method), ("url.full", written_url(spec)))
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port or PORTS.get(url.scheme.lower())
    except ValueError:
        return pairs
    if host:
        pairs += (("server.address", host), ("url.scheme", url.scheme.lower()))
    return pairs if port is None else (*pairs, ("server.port", port))


def _authority(url: str) -> str:
    """What decides on host and port, with whatever else is before the path."""
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.partition("/")[0]


def _remember(cache: dict[K, V], key: K, value: V) -> None:
    if len(cache) >= CACHED:
        cache.clear()
    cache[key] = value
