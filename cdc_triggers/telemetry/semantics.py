"""Notes become spans: what these are called and what they say, after OpenTelemetry's conventions.

Messaging for `receive`, `process` and `confirm`, HTTP for requests, database for where the events
come from; `cdc_triggers.*` for what no convention has. No row values, no header values, no bodies.
"""

from __future__ import annotations

import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar, assert_never
from urllib.parse import urlsplit

from cdc_triggers.core.lsn import show
from cdc_triggers.telemetry import otlp
from cdc_triggers.telemetry.limits import cut_spans
from cdc_triggers.telemetry.notes import AttemptNote, ConfirmNote, ReceiveNote
from cdc_triggers.telemetry.otlp import Kind, Number, Pairs, Template, Text, attribute
from cdc_triggers.telemetry.redaction import written_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdc_triggers.core.attempt import Failure
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.telemetry.limits import Limits
    from cdc_triggers.telemetry.notes import Note

K = TypeVar("K")
V = TypeVar("V")

CACHED = 1_000
TURN = 16
"""Notes between two offers to let other threads run: well below a millisecond."""

PORTS = {"http": 80, "https": 443}

Parts = tuple[bytes, ...]


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
        self._id = Text("messaging.message.id")
        self._lsn = Text("cdc_triggers.lsn")
        self._age = Number("cdc_triggers.commit_age_ms")

    def batch(self, notes: Sequence[Note]) -> list[bytes]:
        """The spans of all notes. Other threads have their turns meanwhile: deliveries go first."""
        found: list[bytes] = []
        for index, note in enumerate(notes):
            if index % TURN == 0:
                time.sleep(0)
            found += self.spans(note)
        return found if self._limits is None else self._cut(found, self._limits)

    @staticmethod
    def _cut(spans: list[bytes], limits: Limits) -> list[bytes]:
        found = []
        for start in range(0, len(spans), TURN):
            time.sleep(0)
            found.append(cut_spans(spans[start : start + TURN], limits))
        return found

    def spans(self, note: Note) -> Iterator[bytes]:
        """One or more."""
        match note:
            case AttemptNote():
                yield from self._attempt(note)
            case ReceiveNote():
                yield self._received(note)
            case ConfirmNote():
                place = self._lsn(show(note.lsn))
                ns = int(note.at * 1e9)
                for (trace_id, parent), state in note.groups:
                    span_id = random.randbytes(8)  # noqa: S311 - an id, not a secret
                    parts = (place, *_state(state))
                    yield self._confirm.span(trace_id, span_id, parent, ns, ns, *parts)
            case _:
                assert_never(note)

    def _received(self, note: ReceiveNote) -> bytes:
        begin, parent = note.begin, note.parent
        age_us = max(0, int(note.ended * 1e6) - begin.commit_us)
        above = b"" if parent is None else bytes.fromhex(parent.span_id)
        return self._receive.span(
            *note.group,
            above,
            int(note.began * 1e9),
            int(note.ended * 1e9),
            attribute("messaging.batch.message_count", note.events),
            self._lsn(show(begin.final_lsn)),
            self._age(age_us // 1000),
            *(map(otlp.link, note.writers) if parent is None else _state(parent.state)),
        )

    def _attempt(self, note: AttemptNote) -> Iterator[bytes]:
        event_id, lsn, *_ = note.event
        (trace_id, above), ids, writer = note.group, note.ids, note.writer
        wall, ran_s, queued_s = note.times
        end_ns = int(wall * 1e9)
        both = (
            self._id(event_id),
            attribute("cdc_triggers.attempt", note.tries),
            *_failed(note.result),
        )
        links: Parts = ()
        if writer is not None:
            both += _state(writer.state) if self._parenting else ()
            links = () if self._parenting else (otlp.link(writer),)
        if note.request is not None:
            start_ns = end_ns - int(ran_s * 1e9)
            own = _answered(note.result, note.tries)
            template = self._request(note.spec, *note.request)
            yield template.span(trace_id, ids[:8], ids[8:], start_ns, end_ns, *both, *own)
        start_ns = end_ns - int(queued_s * 1e9)
        own = (self._lsn(show(lsn)), attribute("cdc_triggers.outcome", note.follows), *links)
        template = self._process(note)
        yield template.span(trace_id, ids[8:], above, start_ns, end_ns, *both, *own)

    def _process(self, note: AttemptNote) -> Template:
        spec, (_, _, op, schema, table) = note.spec, note.event
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


def _answered(result: int | Failure, tries: int) -> Parts:
    parts: Parts = ()
    if isinstance(result, int):
        parts = (attribute("http.response.status_code", result),)
    return (*parts, attribute("http.request.resend_count", tries - 1)) if tries > 1 else parts


def _failed(result: int | Failure) -> Parts:
    if not isinstance(result, int):
        return attribute("error.type", result.kind.value), otlp.error(result.message)
    if HTTPStatus.OK <= result < HTTPStatus.MULTIPLE_CHOICES:
        return ()
    return attribute("error.type", str(result)), otlp.error(f"HTTP {result}")


def _state(text: str) -> Parts:
    return (otlp.state(text),) if text else ()


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
