"""One trace from the writer to the receiver, as a collector on the wire sees it."""

from __future__ import annotations

import asyncio
import re
import socket
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings
from support.collector import Collector
from support.live import Live, streaming
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.collector import Span
    from support.databases import Database

TABLES = "CREATE TABLE orders (id int PRIMARY KEY, v text)"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SET = f"SET LOCAL cdc_triggers.traceparent = '00-{TRACE}-{PARENT}-01'"
CLIENT, CONSUMER = 3, 5
PROCESS = "process watched"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Collector() as found:
        for name, value in found.environ().items():
            monkeypatch.setenv(name, value)
        yield found


def one(spans: list[Span], name: str) -> Span:
    [found] = [span for span in spans if span.name == name]
    return found


def console(live: Live, path: str) -> str:
    url = live.stream.readyz.replace("/readyz", f"/console/{path}")
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def check_attributes(live: Live, event_id: str, process: Span, client: Span) -> None:
    assert (
        process.attributes.items()
        >= {
            "messaging.system": "cdc_triggers",
            "messaging.operation.type": "process",
            "messaging.destination.name": "watched",
            "messaging.message.id": event_id,
            "db.system.name": "postgresql",
            "db.namespace": live.database.name,
            "db.collection.name": "public.orders",
            "db.operation.name": "INSERT",
            "cdc_triggers.trigger": "watched",
            "cdc_triggers.attempt": 1,
            "cdc_triggers.outcome": "delivered",
        }.items()
    )
    assert (
        client.attributes.items()
        >= {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": int(live.endpoint.url.rpartition(":")[2]),
            "url.full": live.endpoint.url,
        }.items()
    )


def test_trace_goes_from_the_writer_to_the_receiver_and_to_the_confirmed_lsn(
    database: Database, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,b3")
    monkeypatch.setenv("CDC_TRIGGERS_TRACE_URL", "https://traces.example/{trace_id}")
    receive, confirm = f"receive {database.slot}", f"confirm {database.slot}"
    with streaming(database, TABLES) as live:
        live.run("BEGIN", SET, "INSERT INTO orders VALUES (1, 'secret row')", "COMMIT")
        [body] = live.bodies()
        spans = collector.wait_spans(receive, PROCESS, "POST", confirm)
        received, process = one(spans, receive), one(spans, PROCESS)
        client, confirmed = one(spans, "POST"), one(spans, confirm)
        assert {span.trace_id for span in spans} == {received.trace_id}
        assert received.trace_id != TRACE
        assert (received.parent, process.parent) == ("", received.span_id)
        assert (client.parent, confirmed.parent) == (process.span_id, received.span_id)
        assert received.links == process.links == [(TRACE, PARENT)]
        assert (process.kind, client.kind) == (CONSUMER, CLIENT)
        assert process.start_ns <= client.start_ns <= client.end_ns <= process.end_ns
        assert client.end_ns <= confirmed.end_ns <= time.time_ns()
        [headers] = live.endpoint.headers
        assert headers["traceparent"] == f"00-{client.trace_id}-{client.span_id}-01"
        assert headers["b3"] == f"{client.trace_id}-{client.span_id}-1"
        check_attributes(live, body["id"], process, client)
        assert process.attributes["cdc_triggers.lsn"] == received.attributes["cdc_triggers.lsn"]
        page = console(live, f"events/{body['id']}")
        assert f'href="https://traces.example/{received.trace_id}"' in page
        assert f'href="https://traces.example/{TRACE}"' in page
    _, sent, message = next(r for r in collector.requests if r[0] == "/v1/traces")
    assert sent["content-type"] == "application/x-protobuf"
    resource = {p.key: p.value.string_value for p in message.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "cdc-triggers"
    assert resource["deployment.environment.name"] == "test"
    assert b"secret row" not in b"".join(m.SerializeToString() for _, _, m in collector.requests)


def test_every_attempt_is_in_the_trace_with_its_own_request(
    database: Database, collector: Collector
) -> None:
    def decide(_: dict[str, Any], before: int) -> Reply:
        return Reply(503 if before < 2 else 200)

    retries = {"num_retries": 3, "interval_sec": 0, "jitter": False}
    with streaming(database, TABLES, decide=decide, retry_conf=retries) as live:
        live.run("INSERT INTO orders VALUES (1, 'a')")
        live.bodies()
        wait_until(lambda: len(collector.spans()) >= 8, what="all spans")
        live.stream.terminate()
    spans = collector.spans()
    processes = [span for span in spans if span.name == PROCESS]
    clients = [span for span in spans if span.name == "POST"]
    assert [span.attributes["cdc_triggers.attempt"] for span in processes] == [1, 2, 3]
    outcomes = [span.attributes["cdc_triggers.outcome"] for span in processes]
    assert outcomes == ["retry", "retry", "delivered"]
    assert [span.parent for span in clients] == [span.span_id for span in processes]
    assert [span.status for span in clients] == [(2, "HTTP 503"), (2, "HTTP 503"), (0, "")]
    assert clients[0].attributes["error.type"] == "503"
    assert [span.attributes.get("http.request.resend_count") for span in clients] == [None, 1, 2]
    sent = [headers["traceparent"].split("-")[2] for headers in live.endpoint.headers]
    assert sent == [span.span_id for span in clients]
    # the later attempts came from the table: they are in the same trace all the same
    receive = one(spans, f"receive {database.slot}")
    assert {span.trace_id for span in spans} == {receive.trace_id}
    assert {span.parent for span in processes} == {receive.span_id}
    failing = [line for line in live.stream.log.splitlines() if "endpoint.failing" in line]
    assert len(failing) == 1
    assert f"trace_id={receive.trace_id}" in failing[0]
    assert f"span_id={processes[0].span_id}" in failing[0]
    [record] = [r for r in collector.logs() if r.body.string_value == "endpoint.failing"]
    assert record.trace_id.hex() == receive.trace_id
    assert record.span_id.hex() == processes[0].span_id


def test_with_parent_the_spans_are_in_the_writers_trace(
    database: Database, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDC_TRIGGERS_TRACE_URL", "https://traces.example/{trace_id}")
    hasura = (
        "SET LOCAL hasura.tracecontext = '"
        f'{{"trace_id": "{TRACE}", "span_id": "{PARENT}", "sampling_state": "1",'
        ' "tracestate": "shop=1"}\''
    )
    with streaming(database, TABLES, "--trace-context", "parent") as live:
        live.run("BEGIN", hasura, "INSERT INTO orders VALUES (1, 'a')", "COMMIT")
        live.bodies()
        spans = collector.wait_spans(
            f"receive {database.slot}", PROCESS, "POST", f"confirm {database.slot}"
        )
        assert {span.trace_id for span in spans} == {TRACE}
        assert one(spans, f"receive {database.slot}").parent == PARENT
        assert one(spans, PROCESS).links == []
        [headers] = live.endpoint.headers
        assert headers["tracestate"] == "shop=1"
        page = console(live, f"events/{live.bodies()[0]['id']}")
        assert re.findall(r"https://traces.example/(\w+)", page) == [TRACE]


def test_what_is_not_sampled_is_not_exported_and_keeps_the_writers_headers(
    database: Database, collector: Collector
) -> None:
    unsampled = SET.replace("-01'", "-00'")
    with streaming(database, TABLES) as live:
        live.run("BEGIN", unsampled, "INSERT INTO orders VALUES (1, 'a')", "COMMIT")
        live.run("BEGIN", SET, "INSERT INTO orders VALUES (2, 'b')", "COMMIT")
        first, _ = live.bodies()
        spans = collector.wait_spans(PROCESS, f"confirm {database.slot}")
        ids = {span.attributes.get("messaging.message.id") for span in spans}
        assert first["id"] not in ids
        assert live.endpoint.headers[0]["traceparent"] == f"00-{TRACE}-{PARENT}-00"


def test_an_independent_receiver_reads_the_spans(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "300")

    async def seen(live: Live) -> tuple[Any, Any]:
        settings = OtelTapHttpProtobufReceiverSettings(http_port=port)
        async with OtelTapHttpProtobufReceiver(settings) as tap:
            span = tap.await_trace(lambda s: s.name == PROCESS, timeout=20)
            delivered = "cdc_triggers.deliveries.delivered"
            metric = tap.await_metric(lambda m: m.name == delivered, timeout=20)
            both = asyncio.gather(span, metric)
            await asyncio.to_thread(live.run, "INSERT INTO orders VALUES (1, 'a')")
            found_span, found_metric = await both
            return found_span, found_metric

    with streaming(database, TABLES) as live:
        span, metric = asyncio.run(seen(live))
        assert span.kind == CONSUMER
        assert metric.sum.is_monotonic
