"""Spans that are written as bytes here are what OpenTelemetry's own classes read."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.collector import values

from cdc_triggers.core.trace import TraceContext
from cdc_triggers.telemetry import otlp
from cdc_triggers.telemetry.otlp import Kind, Number, Template, Text

TEXTS = st.text(max_size=300)
ATTRIBUTES = st.dictionaries(
    TEXTS.filter(bool),
    TEXTS
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    max_size=6,
)
TRACE_IDS = st.integers(1, 2**128 - 1).map("{:032x}".format)
SPAN_IDS = st.integers(1, 2**64 - 1).map("{:016x}".format)
TIMES = st.integers(0, 2**63 - 1)


class Made(NamedTuple):
    """What a span is made of."""

    name: str
    kind: Kind
    shared: dict[str, otlp.Value]
    own: dict[str, otlp.Value]
    text: str
    context: TraceContext
    parent: str
    remote: bool
    start_ns: int
    end_ns: int
    links: list[TraceContext]
    error: str | None

    def data(self) -> bytes:
        parts = [
            Text("text").part(self.text),
            Number("number").part(self.start_ns),
            *(otlp.attribute(*pair) for pair in self.own.items()),
            *map(otlp.link, self.links),
        ]
        if self.context.state:
            parts.append(otlp.state(self.context.state))
        if self.error is not None:
            parts.append(otlp.error(self.error))
        template = Template(self.name, self.kind, tuple(self.shared.items()), remote=self.remote)
        ids = (self.context.trace_id, self.context.span_id, self.parent)
        trace_id, span_id, parent = map(bytes.fromhex, ids)
        times = self.start_ns, self.end_ns
        return template.span(trace_id, span_id, parent, *times, own=b"".join(parts))


CONTEXTS = st.builds(
    TraceContext, TRACE_IDS, SPAN_IDS, st.booleans(), st.sampled_from(["", "vendor=1,other=2"])
)
SPANS = st.builds(
    Made,
    name=TEXTS,
    kind=st.sampled_from(Kind),
    shared=ATTRIBUTES,
    own=ATTRIBUTES,
    text=TEXTS,
    context=CONTEXTS,
    parent=st.just("") | SPAN_IDS,
    remote=st.booleans(),
    start_ns=TIMES,
    end_ns=TIMES,
    links=st.lists(CONTEXTS, max_size=3),
    error=st.none() | TEXTS,
)


@given(st.lists(SPANS, max_size=4), ATTRIBUTES)
def test_official_classes_read_back_what_was_written(
    spans: list[Made], resource: dict[str, otlp.Value]
) -> None:
    scope = otlp.scope("name", "1.2")
    data = otlp.request([span.data() for span in spans], otlp.resource(resource.items()), scope)
    [resource_spans] = ExportTraceServiceRequest.FromString(data).resource_spans
    assert values(resource_spans.resource.attributes) == resource
    [scoped] = resource_spans.scope_spans
    assert (scoped.scope.name, scoped.scope.version) == ("name", "1.2")
    assert len(scoped.spans) == len(spans)
    for read, span in zip(scoped.spans, spans, strict=True):
        context = span.context
        assert (read.name, read.kind, read.trace_state) == (span.name, span.kind, context.state)
        assert read.trace_id.hex() == context.trace_id
        assert read.span_id.hex() == context.span_id
        assert read.parent_span_id.hex() == span.parent
        assert (read.start_time_unix_nano, read.end_time_unix_nano) == (span.start_ns, span.end_ns)
        written = [
            *span.shared.items(),
            ("text", span.text),
            ("number", span.start_ns),
            *span.own.items(),
        ]
        assert [pair.key for pair in read.attributes] == [name for name, _ in written]
        assert values(read.attributes) == dict(written)
        assert [
            (link.trace_id.hex(), link.span_id.hex(), link.flags, link.trace_state)
            for link in read.links
        ] == [
            (link.trace_id, link.span_id, 0x300 | link.sampled, link.state) for link in span.links
        ]
        assert (read.status.code, read.status.message) == (
            (0, "") if span.error is None else (2, span.error)
        )
        assert read.flags == 1 | (0x300 if span.remote else 0x100)
