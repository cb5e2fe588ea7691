"""What the variables of OpenTelemetry mean here, and what is said of those that mean nothing."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from support.collector import Collector, GrpcCollector, Span

from cdc_triggers import settings
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.trace import TraceContext, context_of
from cdc_triggers.errors import UsageError
from cdc_triggers.telemetry import prometheus, resource, variables
from cdc_triggers.telemetry.ignored import AGGREGATION
from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames
from cdc_triggers.telemetry.otlp_target import target
from cdc_triggers.telemetry.sampler import sampler
from cdc_triggers.telemetry.variables import HISTOGRAMS
from cdc_triggers.testing import log_row, transaction

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WRITER = TraceContext(TRACE, PARENT, sampled=True, state="shop=1")
NAMES = StreamNames("slot", "shop", parenting=False)
EVENT = "019a0000-0000-7000-8000-000000000001"


LIMITS = (
    *(
        f"OTEL_{kind}ATTRIBUTE_{what}_LIMIT"
        for kind in ("", "SPAN_", "LOGRECORD_")
        for what in ("COUNT", "VALUE_LENGTH")
    ),
    *(f"OTEL_SPAN_{what}_COUNT_LIMIT" for what in ("EVENT", "LINK")),
    *(f"OTEL_{what}_ATTRIBUTE_COUNT_LIMIT" for what in ("EVENT", "LINK")),
)


class Facts:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.said.append((name, keys))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, ()),
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, ("otlp", "console")),
        ({"OTEL_TRACES_EXPORTER": "otlp, otlp"}, ("otlp",)),
    ],
)
def test_traces_are_on_if_there_is_somewhere_to_send_them(
    environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert variables.exporters(environ, "traces") == expected


def test_without_a_variable_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys, os\n"
        "for name in [n for n in os.environ if n.startswith('OTEL_')]: del os.environ[name]\n"
        "from cdc_triggers.wiring import streaming\n"
        "from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames\n"
        "otel = OpenTelemetry({}, StreamNames('s', '', False), None)\n"
        "assert otel.tracer is None and not otel.exports and not otel.logs\n"
        "loaded = [n for n in sys.modules if n.startswith(('opentelemetry', 'google'))]\n"
        "assert not loaded, loaded\n"
        "import threading; assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "SAMPLER_ARG"),
        ({"OTEL_PROPAGATORS": "tracecontext,pigeon"}, "pigeon"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/xml"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "rar"}, "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1/\x01"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "=x"}, "OTEL_EXPORTER_OTLP_HEADERS"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "OTEL_BSP_MAX_QUEUE_SIZE"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "OTEL_BSP_MAX_QUEUE_SIZE"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0.5"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "1e14"}, "OTEL_BSP_SCHEDULE_DELAY"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "0"}, "OTEL_METRIC_EXPORT_INTERVAL"),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "1s"}, "OTEL_METRIC_EXPORT_TIMEOUT"),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "-1"}, "OTEL_BSP_EXPORT_TIMEOUT"),
        ({"OTEL_BLRP_EXPORT_TIMEOUT": "1.5"}, "OTEL_BLRP_EXPORT_TIMEOUT"),
        ({"OTEL_METRICS_EXEMPLAR_FILTER": "sometimes"}, "OTEL_METRICS_EXEMPLAR_FILTER"),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "past"}, "TEMPORALITY_PREFERENCE"),
        ({"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "x"}, "AGGREGATION"),
        ({"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"),
        ({"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "rar"}, "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION"),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "c:1"}, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_CLIENT_KEY": "/k"}, "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        *(({name: "-1"}, name) for name in LIMITS),
        ({"OTEL_SPAN_LINK_COUNT_LIMIT": "9" * 5_000}, "OTEL_SPAN_LINK_COUNT_LIMIT"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "zipkin"),
    ],
)
def test_value_that_cannot_be_used_is_named_with_what_may_stand_there(
    environ: dict[str, str], word: str
) -> None:
    everything = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", **environ}
    with pytest.raises(UsageError) as caught:
        OpenTelemetry(everything, NAMES, Facts())
    assert word in str(caught.value)
    assert caught.value.hint


def test_grpc_that_is_not_installed_is_said_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "cdc_triggers.telemetry.otlp_grpc", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(UsageError) as caught:
        OpenTelemetry({"OTEL_TRACES_EXPORTER": "otlp_proto_grpc"}, NAMES, Facts())
    assert "pip install 'cdc-triggers[otlp-grpc]'" in str(caught.value.hint)


def test_trace_context_is_link_unless_option_or_variable_say_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(settings.TRACE_CONTEXT_VARIABLE, raising=False)
    assert settings.trace_context(None) == "link"
    monkeypatch.setenv(settings.TRACE_CONTEXT_VARIABLE, "parent")
    assert (settings.trace_context(None), settings.trace_context("link")) == ("parent", "link")
    monkeypatch.setenv(settings.TRACE_CONTEXT_VARIABLE, "child")
    with pytest.raises(UsageError, match="child"):
        settings.trace_context(None)


def test_target_is_where_the_variables_say() -> None:
    found = target(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318/base/",
            "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%20b, tenant=shop",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        },
        "traces",
    )
    assert found.url == "https://c:4318/base/v1/traces"
    assert found.headers == (("api-key", "a b"), ("tenant", "shop"))
    assert (found.timeout_s, found.compression, found.secure) == (3, "gzip", True)
    special = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "y",
    }
    assert target(special, "traces").url == "http://c/x"


@pytest.mark.parametrize(
    ("endpoint", "insecure", "expected"),
    [
        ("", "", ("localhost:4317", False)),
        ("http://c:1/ignored", "", ("c:1", False)),
        ("https://c:1", "true", ("c:1", True)),
        ("c:1", "", ("c:1", True)),
        ("c:1", "true", ("c:1", False)),
    ],
)
def test_grpc_has_an_address_and_a_scheme_or_variable_that_says_whether_by_tls(
    endpoint: str, insecure: str, expected: tuple[str, bool]
) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_LOGS_INSECURE": insecure,
    }
    found = target(environ, "logs", grpc=True)
    assert (found.url, found.secure) == expected


@pytest.mark.parametrize(
    ("endpoint", "over_grpc", "expected"),
    [
        ("", False, "localhost:4318"),
        ("http://user:s3cret@c/v1?key=s3cret", False, "c:80"),
        ("https://[::1]/x", False, "[::1]:443"),
        ("https://user:s3cret@c:1/x?key=s3cret", True, "c:1"),
        ("dns://8.8.8.8/user:s3cret@c:1?key=s3cret", True, "c:1"),
        ("[::1]:4317", True, "[::1]:4317"),
    ],
)
def test_of_where_it_goes_only_host_and_port_are_said(
    endpoint: str, expected: str, *, over_grpc: bool
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": endpoint}
    assert target(environ, "logs", grpc=over_grpc).collector == expected


@pytest.mark.parametrize(
    ("variable", "within", "expected"),
    [("", "", 10.0), ("60", "", 30.0), ("60", "2500", 2.5), ("2", "2500", 2.0), ("60", "0", 60.0)],
)
def test_an_export_ends_by_the_sooner_of_its_two_timeouts(
    variable: str, within: str, expected: float
) -> None:
    for signal, prefix in (("traces", "BSP"), ("logs", "BLRP"), ("metrics", "METRIC")):
        environ = {
            "OTEL_EXPORTER_OTLP_TIMEOUT": variable,
            f"OTEL_{prefix}_EXPORT_TIMEOUT": within,
        }
        assert target(environ, signal).timeout_s == expected


def test_resource_says_what_the_variables_say() -> None:
    said = "service.name=a,deployment.environment.name=b%20c,,nonsense"
    found = resource.attributes({"OTEL_RESOURCE_ATTRIBUTES": said})
    assert (found["service.name"], found["deployment.environment.name"]) == ("a", "b c")
    assert (
        resource.attributes({"OTEL_SERVICE_NAME": "d", "OTEL_RESOURCE_ATTRIBUTES": said})[
            "service.name"
        ]
        == "d"
    )
    assert resource.attributes({})["service.name"] == "cdc-triggers"


def test_resource_is_utf8_whatever_the_bytes_of_the_variables() -> None:
    latin = b"team=Z\xfcrich".decode(errors="surrogateescape")  # as in os.environ
    found = resource.attributes({"OTEL_RESOURCE_ATTRIBUTES": latin, "OTEL_SERVICE_NAME": "\udcfc"})
    assert (found["team"], found["service.name"]) == ("Z?rich", "?")
    assert prometheus.render([], found, open_metrics=False).encode()


@pytest.mark.parametrize(
    ("name", "writer", "expected"),
    [
        ("", None, True),
        ("", WRITER, True),
        ("", WRITER._replace(sampled=False), False),
        ("always_on", WRITER._replace(sampled=False), True),
        ("always_off", WRITER, False),
        ("parentbased_always_off", WRITER, True),
        ("parentbased_always_off", None, False),
        ("parentbased_traceidratio", WRITER, True),
    ],
)
def test_sampler_decides_by_name_and_writer(
    name: str, writer: TraceContext | None, *, expected: bool
) -> None:
    ratio = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0"}
    assert sampler(ratio)(EVENT, writer) is expected


@given(st.uuids(version=4), st.sampled_from(["0", "0.25", "0.5", "1"]))
def test_ratio_is_that_of_the_sdk_for_traces(trace: Any, ratio: str) -> None:
    decide = sampler({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio})
    writer = TraceContext(trace.hex, PARENT, sampled=False)
    theirs = TraceIdRatioBased(float(ratio)).should_sample(None, trace.int, "name")
    assert decide(EVENT, writer) == (theirs.decision is Decision.RECORD_AND_SAMPLE)


@given(st.uuids(version=4), st.integers(1, 10_000), st.sampled_from([0.0, 0.01, 0.25, 0.5, 1.0]))
def test_ratio_is_the_share_of_events_though_their_ids_are_counted(
    first: UUID, step: int, ratio: float
) -> None:
    decide = sampler({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(ratio)})
    count = 4_000
    ids = [str(UUID(int=(first.int + n * step) & (1 << 128) - 1)) for n in range(count)]
    sampled = [decide(each, None) for each in ids]
    spread = math.sqrt(ratio * (1 - ratio) / count)
    assert abs(sum(sampled) / count - ratio) <= 7 * spread
    assert [decide(each, None) for each in ids] == sampled


@given(st.text())
def test_tracestate_of_a_writer_is_valid_or_left_out(state: str) -> None:
    written = {"trace_id": TRACE, "span_id": PARENT, "sampling_state": "1", "tracestate": state}
    found = context_of(orjson.dumps(written))
    assert found is not None
    assert found.state.isascii()
    assert not set(found.state) & set("\r\n\0")


def put(otel: OpenTelemetry, count: int = 3) -> None:
    """Some transactions, each with one event, received and confirmed."""
    assert otel.tracer is not None
    for number in range(1, count + 1):
        row = log_row(EVENT, xid=number, new=b"{}")._replace(trace=WRITER.traceparent.encode())
        for message in transaction(number * 100, [row], number):
            otel.tracer.received(message, 1_000.0)
    otel.tracer.confirmed(Lsn(10_000), 1_001.0)


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_spans_arrive_compressed_or_not_and_with_the_headers(compression: str) -> None:
    with Collector() as collector:
        environ = collector.environ(
            OTEL_EXPORTER_OTLP_COMPRESSION=compression, OTEL_EXPORTER_OTLP_HEADERS="api-key=1"
        )
        otel = OpenTelemetry({**environ, "OTEL_LOGS_EXPORTER": "none"}, NAMES, Facts())
        put(otel)
        asyncio.run(otel.close())
        assert len(collector.spans()) == 6
        assert collector.requests[0][1]["api-key"] == "1"
        exports = {each.signal: each for each in otel.exports}
        assert (exports["traces"].sent, exports["traces"].dropped) == (6, 0)


def test_spans_go_over_grpc_as_over_http() -> None:
    found = []
    for make in (GrpcCollector, Collector):
        with make() as collector:
            more = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=1"}
            otel = OpenTelemetry(collector.environ(**more), NAMES, Facts())
            put(otel)
            asyncio.run(otel.close())
            assert collector.requests[0][1]["api-key"] == "1"
            assert "cdc-triggers/" in collector.requests[0][1]["user-agent"]
            found.append(collector.spans())
    over_grpc, over_http = found
    assert len(over_grpc) == 6

    def seen(spans: list[Span]) -> list[Any]:
        # ids of `confirm` are by chance
        return [
            (s.name, s.kind, s.trace_id, s.parent, s.start_ns, s.end_ns, s.attributes, s.links)
            for s in spans
        ]

    assert seen(over_grpc) == seen(over_http)


def test_full_queue_drops_counts_and_never_waits() -> None:
    with Collector() as collector:
        collector.deaf = True
        environ = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
            "OTEL_BSP_MAX_QUEUE_SIZE": "10",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        facts = Facts()
        otel = OpenTelemetry(environ, NAMES, facts)
        put(otel, 100)
        asyncio.run(otel.close())
        [exports] = otel.exports
        assert exports.sent == 0
        assert exports.dropped == 199  # of the last one no confirmation has come
        assert [name for name, _ in facts.said] in ([], ["telemetry.failing"])


def test_variable_that_nothing_obeys_is_said_once() -> None:
    facts = Facts()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPIONT": "http://c",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": HISTOGRAMS[1],
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_LOG_LEVEL": "",
    }
    OpenTelemetry(environ, NAMES, facts)
    OpenTelemetry(environ | {"OTEL_SDK_DISABLED": "true"}, NAMES, facts)
    names = "OTEL_EXPORTER_OTLP_ENDPIONT", AGGREGATION
    assert facts.said == [("telemetry.ignored", {"variables": ",".join(names)})]
