"""Notes become spans: what these are called and what they say, after OpenTelemetry's conventions.

Messaging for `receive`, `process` and `confirm`, HTTP for requests, database for where the events
come from; `cdc_triggers.*` for what no convention has. No row values, no header values, no bodies.
"""

from __future__ import annotations

import random
import time
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from cdc_triggers.core.lsn import show
from cdc_triggers.telemetry import otlp
from cdc_triggers.telemetry.limits import cut_spans
from cdc_triggers.telemetry.notes import AttemptNote, ConfirmNote
from cdc_triggers.telemetry.otlp import Kind, Number, Pairs, Template, Text, attribute
from cdc_triggers.telemetry.redaction import written_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.core.attempt import Failure
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.telemetry.limits import Limits
    from cdc_triggers.telemetry.notes import Note, ReceiveNote

K = TypeVar("K")
V = TypeVar("V")

CACHED: Final = 1_000
TURN: Final = 64
CUT: Final = 16
"""Notes, and spans that are cut, between two offers to let other threads run: well below a
millisecond."""

PORTS = {"http": 80, "https": 443}

_ID: Final = Text("messaging.message.id")
_LSN: Final = Text("cdc_triggers.lsn")
_AGE: Final = Number("cdc_triggers.commit_age_ms")
_COUNT: Final = Number("messaging.batch.message_count")

_Key = tuple[str, str, str, str, tuple[str, str] | None, "int | Failure", int, str]


class _Alike:
    """What attempts have in common that do the same to the same end: most of their spans.

    Attributes:
        request: None: there was none.
        result, answered, follows: attributes of both spans, of the request's, and of `process`.
    """

    __slots__ = ("answered", "follows", "process", "request", "result", "spec")

    def __init__(self, note: AttemptNote, process: Template, request: Template | None) -> None:
        self.spec = note.spec
        self.process = process
        self.request = request
        tries, result = note.tries, note.result
        self.result = attribute("cdc_triggers.attempt", tries) + _failed(result)
        self.answered = self.result + _answered(result, tries)
        self.follows = attribute("cdc_triggers.outcome", note.follows)


class Semantics:
    """Makes the spans of one stream. One thread at a time.

    Args:
        slot: of the stream.
        database: its name, as far as it is known.
        parenting: spans are children of the writer's, not linked to it.
        limits: of one span; None: there are none.
    """

    def __init__(
        self,
        slot: str,
        database: str = "",
        *,
        parenting: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._parenting = parenting
        self._limits = limits
        where: Pairs = (("messaging.system", "cdc_triggers"), ("db.system.name", "postgresql"))
        self._where = (*where, ("db.namespace", database)) if database else where
        received = (*self._where, *_operation("receive", "receive", slot))
        confirmed = (*self._where, *_operation("confirm", "settle", slot))
        self._receive = Template(f"receive {slot}", Kind.CLIENT, received, remote=True)
        self._confirm = Template(f"confirm {slot}", Kind.CLIENT, confirmed)
        self._processes: dict[tuple[str, str, str, str], tuple[Trigger, Template]] = {}
        self._requests: dict[tuple[str, str, str], tuple[Trigger, Template]] = {}
        self._alike: dict[_Key, _Alike] = {}

    def batch(self, notes: Sequence[Note]) -> list[bytes]:
        """The spans of all notes. Other threads have their turns meanwhile: deliveries go first."""
        found: list[bytes] = []
        for index, note in enumerate(notes):
            if index % TURN == 0:
                time.sleep(0)
            if isinstance(note, AttemptNote):
                self._attempt(note, found)
            elif isinstance(note, ConfirmNote):
                self._confirmed(note, found)
            else:
                found.append(self._received(note))
        return found if self._limits is None else self._cut(found, self._limits)

    @staticmethod
    def _cut(spans: list[bytes], limits: Limits) -> list[bytes]:
        found = []
        for start in range(0, len(spans), CUT):
            time.sleep(0)
            found.append(cut_spans(spans[start : start + CUT], limits))
        return found

    def _received(self, note: ReceiveNote) -> bytes:
        begin, parent = note.begin, note.parent
        age_us = max(0, int(note.ended * 1e6) - begin.commit_us)
        trace_id, span_id = note.group
        own = _COUNT.part(note.events) + _place(begin.final_lsn) + _AGE.part(age_us // 1000)
        above = b""
        if parent is not None:
            above = bytes.fromhex(parent.span_id)
            own += _state(parent.state)
        elif note.writers:
            own += b"".join(map(otlp.link, note.writers))
        began_ns, ended_ns = int(note.began * 1e9), int(note.ended * 1e9)
        return self._receive.span(trace_id, span_id, above, began_ns, ended_ns, own=own)

    def _attempt(self, note: AttemptNote, found: list[bytes]) -> None:
        (trace_id, above), ids, writer = note.group, note.ids, note.writer
        own_id, process_id = ids[:8], ids[8:]
        end_ns = int(note.ended * 1e9)
        event_id, alike = _ID.part(note.event_id), self._alike_of(note)
        more = b""
        if writer is not None:
            more = _state(writer.state) if self._parenting else otlp.link(writer)
        if alike.request is not None:
            start_ns = end_ns - int(note.ran_s * 1e9)
            own = event_id + alike.answered
            if self._parenting:
                own += more
            found.append(
                alike.request.span(trace_id, own_id, process_id, start_ns, end_ns, own=own)
            )
        start_ns = end_ns - int(note.queued_s * 1e9)
        own = b"".join((event_id, alike.result, _place(note.lsn), alike.follows, more))
        found.append(alike.process.span(trace_id, process_id, above, start_ns, end_ns, own=own))

    def _confirmed(self, note: ConfirmNote, found: list[bytes]) -> None:
        place, ns = _place(note.lsn), int(note.at * 1e9)
        ids = random.randbytes(8 * len(note.groups))  # noqa: S311 - ids, no secrets
        start = 0
        for (trace_id, parent), state in note.groups:
            own = place + _state(state) if state else place
            span_id = ids[start : start + 8]
            start += 8
            found.append(self._confirm.span(trace_id, span_id, parent, ns, ns, own=own))

    def _alike_of(self, note: AttemptNote) -> _Alike:
        spec, request, result, tries = note.spec, note.request, note.result, note.tries
        key = (spec.name, note.op, note.schema, note.table, request, result, tries, note.follows)
        alike = self._alike.get(key)
        if alike is not None and alike.spec is spec:
            return alike
        alike = _Alike(note, self._process(note), request and self._request(spec, *request))
        _remember(self._alike, key, alike)
        return alike

    def _process(self, note: AttemptNote) -> Template:
        spec, op, schema, table = note.spec, note.op, note.schema, note.table
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


@lru_cache(maxsize=CACHED)
def _place(lsn: Lsn) -> bytes:
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
