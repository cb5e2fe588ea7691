"""OTLP in JSON says what OTLP in protobuf says, in the form that the protocol asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from support.collector import Collector, decode, values

from cdc_triggers.core.meter import SECONDS, Exemplar, Histogram
from cdc_triggers.telemetry.metrics import DELIVERED_IN, Family, Point
from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames
from cdc_triggers.telemetry.otlp_json import JsonMessages
from cdc_triggers.testing import log_row, transaction

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = "00f067aa0ba902b7"
NAMES = StreamNames("slot", "shop", parenting=False)
EVENT = "019a0000-0000-7000-8000-000000000001"

IDS = st.binary(min_size=16, max_size=16)
TEXTS = st.text(max_size=20)
FLOATS = st.floats(allow_nan=False) | st.just(float("nan"))  # of which JSON has but one
VALUES = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | st.binary()


class Facts:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.said.append((name, keys))


def spans_of(message: Any) -> Any:
    return message.resource_spans.add().scope_spans.add().spans


def put(pair: Any, value: object) -> None:
    kind = {str: "string", bool: "bool", int: "int", float: "double", bytes: "bytes"}[type(value)]
    setattr(pair.value, f"{kind}_value", value)


def as_json(signal: str, message: Any) -> Any:
    return orjson.loads(JsonMessages(signal).request(message.SerializeToString()))


def test_ids_are_hex_enums_numbers_and_long_numbers_texts() -> None:
    message = ExportTraceServiceRequest()
    span = spans_of(message).add()
    span.trace_id, span.span_id, span.parent_span_id = map(bytes.fromhex, (TRACE, SPAN, PARENT))
    span.name, span.kind, span.flags = "process", 5, 257
    span.start_time_unix_nano, span.end_time_unix_nano = 1_544_712_660_000_000_000, 1
    span.dropped_attributes_count = 2
    span.status.code, span.status.message = 2, "HTTP 503"
    link = span.links.add()
    link.trace_id, link.span_id = bytes.fromhex(TRACE), bytes.fromhex(PARENT)
    for key, value in (("traceId", "kept"), ("n", 7), ("x", 0.5), ("yes", False), ("raw", b"ab")):
        pair = span.attributes.add()
        pair.key = key
        put(pair, value)
    assert as_json("traces", message)["resourceSpans"][0]["scopeSpans"][0]["spans"] == [
        {
            "traceId": TRACE,
            "spanId": SPAN,
            "parentSpanId": PARENT,
            "name": "process",
            "kind": 5,
            "flags": 257,
            "startTimeUnixNano": "1544712660000000000",
            "endTimeUnixNano": "1",
            "droppedAttributesCount": 2,
            "status": {"code": 2, "message": "HTTP 503"},
            "links": [{"traceId": TRACE, "spanId": PARENT}],
            "attributes": [
                {"key": "traceId", "value": {"stringValue": "kept"}},
                {"key": "n", "value": {"intValue": "7"}},
                {"key": "x", "value": {"doubleValue": 0.5}},
                {"key": "yes", "value": {"boolValue": False}},
                {"key": "raw", "value": {"bytesValue": "YWI="}},
            ],
        }
    ]


def test_exemplars_of_metrics_have_their_ids_in_hex_too() -> None:
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add()
    point.count, point.sum = 3, 1.5
    point.bucket_counts.extend((1, 2))
    point.explicit_bounds.append(0.5)
    exemplar = point.exemplars.add()
    exemplar.trace_id, exemplar.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    exemplar.as_double = 0.0
    [found] = as_json("metrics", message)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    assert found["histogram"] == {
        "aggregationTemporality": 2,
        "dataPoints": [
            {
                "count": "3",
                "sum": 1.5,
                "bucketCounts": ["1", "2"],
                "explicitBounds": [0.5],
                "exemplars": [{"traceId": TRACE, "spanId": SPAN, "asDouble": 0.0}],
            }
        ],
    }


@given(trace=IDS, name=TEXTS, kind=st.integers(0, 5), attributes=st.dictionaries(TEXTS, VALUES))
def test_json_read_back_is_the_request(
    trace: bytes, name: str, kind: int, attributes: dict[str, object]
) -> None:
    message = ExportTraceServiceRequest()
    span = spans_of(message).add()
    span.trace_id, span.span_id, span.name, span.kind = trace, trace[:8], name, kind
    for key, value in attributes.items():
        pair = span.attributes.add()
        pair.key = key
        put(pair, value)
    body = message.SerializeToString(deterministic=True)
    found = decode("/v1/traces", "application/json", JsonMessages("traces").request(body))
    assert found.SerializeToString(deterministic=True) == body


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["partialSuccess", "rejectedSpans", "errorMessage", "x"]), inner
            )
        ),
        max_leaves=5,
    ).map(lambda value: str(value).encode())
)
def test_an_answer_of_any_kind_is_read_or_counts_as_none(text: bytes) -> None:
    ExportTraceServiceResponse.FromString(JsonMessages("traces").answer(text))


def test_answer_may_have_names_that_nobody_knows_and_numbers_as_texts() -> None:
    for rejected in (3, "3"):
        said = {"partialSuccess": {"rejectedSpans": rejected, "errorMessage": "old"}, "later": [1]}
        data = JsonMessages("traces").answer(orjson.dumps(said))
        found = ExportTraceServiceResponse.FromString(data).partial_success
        assert (found.rejected_spans, found.error_message) == (3, "old")


def send(collector: Collector, **variables: str) -> tuple[OpenTelemetry, Facts]:
    """A transaction of one event, a fact and a histogram."""
    histogram = Histogram(SECONDS)
    histogram.exemplars[histogram.add(0.2)] = Exemplar(0.2, 1_700_000_000.5, TRACE, SPAN)
    facts = Facts()

    async def run() -> OpenTelemetry:
        otel = OpenTelemetry(collector.environ(**variables), NAMES, facts)
        assert otel.tracer is not None
        row = log_row(EVENT, new=b"{}")._replace(trace=f"00-{TRACE}-{SPAN}-01".encode())
        for message in transaction(100, [row], 1):
            otel.tracer.received(message, 1_000.0)
        for log in otel.logs:
            log.fact("info", "stream.started", {"trace_id": TRACE, "span_id": SPAN, "triggers": 3})
        otel.start_metrics(lambda: [Family(DELIVERED_IN, [Point(("orders",), histogram)])])
        await otel.close()
        return otel

    return asyncio.run(run()), facts


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_every_signal_goes_in_json_as_in_protobuf(compression: str) -> None:
    found = []
    for protocol in ("http/json", "http/protobuf"):
        with Collector() as collector:
            otel, facts = send(
                collector,
                OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                OTEL_EXPORTER_OTLP_COMPRESSION=compression,
            )
            assert facts.said == []
            assert {each.signal: each.dropped for each in otel.exports} == {
                "traces": 0,
                "metrics": 0,
                "logs": 0,
            }
            kinds = {headers["content-type"] for _, headers, _ in collector.requests}
            [span] = collector.spans()
            [log] = collector.logs()
            [point] = collector.metrics()[DELIVERED_IN.name].histogram.data_points
            seen = [
                *(span.name, span.kind, span.trace_id, span.span_id, span.links, span.attributes),
                *(span.start_ns, span.end_ns, span.flags),
                *(log.body.string_value, log.trace_id.hex(), log.span_id.hex(), log.event_name),
                *(log.severity_number, values(log.attributes)),
                *(list(point.bucket_counts), list(point.explicit_bounds), point.count, point.sum),
                *[(each.trace_id.hex(), each.span_id.hex()) for each in point.exemplars],
            ]
            found.append((kinds, seen))
    (json_kinds, in_json), (protobuf_kinds, in_protobuf) = found
    assert (json_kinds, protobuf_kinds) == ({"application/json"}, {"application/x-protobuf"})
    assert in_json == in_protobuf
    assert in_json.count(TRACE) == 1
    assert (TRACE, SPAN) in in_json


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
        ("OTEL_LOGS_EXPORTER", "otlp_json_http"),
    ],
)
def test_one_signal_may_go_in_json_alone(variable: str, value: str) -> None:
    with Collector() as collector:
        send(collector, **{variable: value})
        kinds = {path: headers["content-type"] for path, headers, _ in collector.requests}
    assert kinds["/v1/logs"] == "application/json"
    assert kinds["/v1/traces"] == kinds["/v1/metrics"] == "application/x-protobuf"


@pytest.mark.parametrize(
    ("signal", "rejected"),
    [
        ("traces", "rejectedSpans"),
        ("metrics", "rejectedDataPoints"),
        ("logs", "rejectedLogRecords"),
    ],
)
def test_part_that_is_refused_in_json_is_counted_and_said(signal: str, rejected: str) -> None:
    with Collector() as collector:
        # a name that other signals do not know says nothing to them
        said = {"partialSuccess": {rejected: "1", "errorMessage": "too old"}}
        collector.answer = orjson.dumps(said)
        otel, facts = send(collector, OTEL_EXPORTER_OTLP_PROTOCOL="http/json")
    assert {each.signal: each.failures for each in otel.exports if each.failures} == {signal: 1}
    assert [each.dropped for each in otel.exports if each.signal == signal] == [1]
    error = "the collector refused a part: too old"
    keys = {"signal": signal, "collector": collector.url.partition("://")[2], "error": error}
    assert facts.said == [("telemetry.failing", keys)]
