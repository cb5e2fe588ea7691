"""What is sent stays within the limits of OpenTelemetry's variables, as a collector sees it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from support.collector import Collector, GrpcCollector, values
from support.stream import trigger_row
from support.waiting import wait_until

from cdc_triggers.app.watch import Watch
from cdc_triggers.core.attempt import Response
from cdc_triggers.core.attempt_log import Times
from cdc_triggers.core.delivery import Delivery
from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.telemetry import limits, prometheus
from cdc_triggers.telemetry.metrics import DELIVERED_IN, Family, Point
from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames
from cdc_triggers.telemetry.otlp_http import _asked_s
from cdc_triggers.testing import ManualClock, log_row, transaction

if TYPE_CHECKING:
    from support.collector import Collected

NAMES = StreamNames("slot", "shop", parenting=False)
WRITER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333%x-01"
SPEC = trigger_row(1, "key").revisions[0].spec


class Facts:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.said.append((name, keys))


def send(collector: Any, **variables: str) -> tuple[OpenTelemetry, Facts]:
    """A transaction whose three events have three writers; one attempt, which failed; a fact."""
    facts = Facts()
    otel = OpenTelemetry(collector.environ(**variables), NAMES, facts)
    assert otel.tracer is not None
    ids = [f"019a0000-0000-7000-8000-{n:012x}" for n in range(3)]
    rows = [
        log_row(each, new=b"{}")._replace(trace=(WRITER % number).encode())
        for number, each in enumerate(ids)
    ]
    for message in transaction(100, rows, 1):
        otel.tracer.received(message, 1_000.0)
    delivery = Delivery(1, 1, trigger_row(1, "key").revisions[0], event_of(rows[0], Lsn(100), 0))
    span = otel.tracer.begin(delivery, SPEC)
    otel.tracer.ended(span, None, Response(503, (), b""), Times(1.0, 1_001.0, 0.5), "retry")
    for log in otel.logs:
        log.fact("info", "stream.started", {"slot": "a" * 50, "plugin": "pgoutput", "triggers": 3})
        keys = {"trace_id": span.trace_id, "span_id": span.process_id}
        log.fact("warning", "endpoint.failing", keys)
        log.fact("warning", "endpoint.failing", keys | {"span_id": ""})
    asyncio.run(otel.close())
    return otel, facts


def raw_spans(collector: Collected) -> dict[str, Any]:
    return {
        span.name.partition(" ")[0]: span
        for message in collector.messages("/v1/traces")
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


@pytest.mark.parametrize("make", [Collector, GrpcCollector])
def test_spans_and_records_keep_their_first_parts_and_say_how_many_are_missing(make: Any) -> None:
    with make() as whole, make() as cut:
        send(whole)
        send(
            cut,
            OTEL_ATTRIBUTE_COUNT_LIMIT="2",
            OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="4",
            OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="5",
            OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT="7",
            OTEL_SPAN_LINK_COUNT_LIMIT="1",
            OTEL_SPAN_EVENT_COUNT_LIMIT="0",
        )
    before, after = raw_spans(whole), raw_spans(cut)
    assert set(before) == set(after) == {"receive", "process"}
    for name, span in before.items():
        full, found = list(values(span.attributes).items()), values(after[name].attributes)
        assert found == {key: _cut(value, 5) for key, value in full[:4]}
        assert after[name].dropped_attributes_count == len(full) - 4
        assert span.dropped_attributes_count == span.dropped_links_count == 0
        ids = ("trace_id", "parent_span_id", "start_time_unix_nano", "flags", "status")
        assert [getattr(span, each) for each in ids] == [getattr(after[name], e) for e in ids]
    assert [len(span["receive"].links) for span in (before, after)] == [3, 1]
    assert after["receive"].dropped_links_count == 2
    records = {r.body.string_value: r for r in reversed(cut.logs())}
    assert values(records["stream.started"].attributes) == {"slot": "a" * 7, "plugin": "pgoutpu"}
    assert records["stream.started"].dropped_attributes_count == 1


def _cut(value: Any, length: int) -> Any:
    return value[:length] if isinstance(value, str) else value


def test_what_is_said_of_one_kind_goes_before_what_is_said_of_all() -> None:
    both = {"OTEL_ATTRIBUTE_COUNT_LIMIT": "3", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "10"}
    assert limits.span_limits(both) == limits.log_limits(both) == (3, 10, None)
    spans = both | {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0"}
    assert (limits.span_limits(spans), limits.log_limits(spans)) == ((0, 10, None), (3, 10, None))


@pytest.mark.parametrize("count", ["", "128", "1000"])
def test_without_a_limit_that_could_be_reached_nothing_is_looked_at_again(count: str) -> None:
    environ = {"OTEL_ATTRIBUTE_COUNT_LIMIT": count, "OTEL_SPAN_LINK_COUNT_LIMIT": count}
    assert limits.span_limits(environ) is None
    assert limits.log_limits(environ) is None


def test_record_has_trace_and_span_of_the_attempt_or_neither() -> None:
    with Collector() as collector:
        send(collector)
    traced, untraced = [r for r in collector.logs() if r.body.string_value == "endpoint.failing"]
    process = raw_spans(collector)["process"]
    assert (traced.trace_id, traced.span_id) == (process.trace_id, process.span_id)
    assert traced.flags == 1
    [started] = [r for r in collector.logs() if r.body.string_value == "stream.started"]
    for record in (untraced, started):
        assert (record.trace_id, record.span_id, record.flags) == (b"", b"", 0)


@pytest.mark.parametrize(
    ("variable", "signal"),
    [
        ("OTEL_BSP_EXPORT_TIMEOUT", "traces"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "logs"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "metrics"),
    ],
)
def test_export_ends_after_its_timeout(variable: str, signal: str) -> None:
    async def run(collector: Collector) -> tuple[Facts, float]:
        facts = Facts()
        off = {
            f"OTEL_{each.upper()}_EXPORTER": "none"
            for each in ("traces", "logs", "metrics")
            if each != signal
        }
        otel = OpenTelemetry(collector.environ(**{variable: "300"}, **off), NAMES, facts)
        began = time.monotonic()
        otel.start_metrics(lambda: [Family(DELIVERED_IN, [])])
        if otel.tracer is not None:
            for message in transaction(100, [log_row("e", new=b"{}")], 1):
                otel.tracer.received(message, 1_000.0)
        for log in otel.logs:
            log.fact("info", "stream.started", {})
        await asyncio.to_thread(wait_until, lambda: facts.said, 8, "it is said")
        took = time.monotonic() - began
        await otel.close()
        return facts, took

    with Collector() as collector:
        collector.deaf = True
        facts, took = asyncio.run(run(collector))
    keys = {
        "signal": signal,
        "collector": collector.url.partition("://")[2],
        "error": "no answer in time",
    }
    assert facts.said[0] == ("telemetry.failing", keys)
    assert took < 8  # the exporter's own timeout is 10


def test_part_that_a_collector_refuses_is_counted_and_said() -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 1
    answer.partial_success.error_message = "too old"
    with Collector() as collector:
        collector.answer = answer.SerializeToString()
        otel, facts = send(collector, OTEL_LOGS_EXPORTER="none")
    exports = {each.signal: each for each in otel.exports}["traces"]
    assert (exports.sent, exports.dropped, exports.failures) == (1, 1, 1)
    error = "the collector refused a part: too old"
    keys = {"signal": "traces", "collector": collector.url.partition("://")[2], "error": error}
    assert facts.said == [("telemetry.failing", keys)]


def test_what_grpc_refuses_is_said_by_its_status() -> None:
    with GrpcCollector() as collector:
        collector.refusal = (grpc.StatusCode.UNAUTHENTICATED, "who are you")
        _, facts = send(collector, OTEL_LOGS_EXPORTER="none")
    error = "gRPC UNAUTHENTICATED"
    keys = {"signal": "traces", "collector": collector.url.partition("://")[2], "error": error}
    assert facts.said == [("telemetry.failing", keys)]


def test_grpc_collector_that_is_full_is_asked_again_when_it_says() -> None:
    with GrpcCollector() as collector:
        collector.refusal = (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        collector.asked_s = 0.05
        otel, facts = send(collector, OTEL_LOGS_EXPORTER="none")
        assert len(collector.spans()) == 2
    assert facts.said == []
    assert [each.sent for each in otel.exports if each.signal == "traces"] == [2]


def test_http_collector_says_seconds_or_a_date() -> None:
    at = "Wed, 21 Oct 2015 07:28:00 GMT"
    found = [_asked_s(text, 1445412470.0) for text in ("3", at, "soon", "", "-1")]
    assert found == [3.0, 10.0, None, None, None]


@pytest.mark.parametrize(
    ("name", "sampled", "expected"),
    [
        ("", True, "traced"),
        ("", False, "none"),
        ("trace_based", None, "none"),
        ("always_on", True, "traced"),
        ("always_on", False, "plain"),
        ("always_on", None, "plain"),
        ("always_off", True, "none"),
    ],
)
def test_exemplars_are_of_what_the_filter_says(
    name: str, expected: str, *, sampled: bool | None
) -> None:
    environ = {"OTEL_METRICS_EXEMPLAR_FILTER": name, "OTEL_SERVICE_NAME": "shop"}
    if sampled is not None:
        environ["OTEL_TRACES_EXPORTER"] = "otlp"
        environ["OTEL_TRACES_SAMPLER"] = "always_on" if sampled else "always_off"
    otel = OpenTelemetry(environ, NAMES, Facts())
    clock = ManualClock()
    watch = Watch(clock, Facts(), otel.tracer, otel.exemplars)
    event = event_of(log_row("e", new=b"{}"), Lsn(100), 0)
    attempt = watch.begin(Delivery(1, 1, trigger_row(1, "key").revisions[0], event), SPEC)
    ended = Times(clock.monotonic(), clock.now(), 0.5)
    watch.ended(attempt, Response(200, (), b""), ended, "delivered")
    asyncio.run(otel.close())
    histogram = watch.meter.of(SPEC.name).attempt
    text = prometheus.render(
        [Family(DELIVERED_IN, [Point(("t",), histogram)])], {}, open_metrics=True
    )
    found = [line.partition(" # ")[2] for line in text.splitlines() if " # " in line]
    kinds = ["traced" if "trace_id" in each else "plain" for each in found if each]
    assert kinds == ([] if expected == "none" else [expected])
