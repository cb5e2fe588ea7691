"""Whatever becomes of the collector, deliveries do not notice: none is lost, none waits."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
import urllib.request
from typing import TYPE_CHECKING

import grpc
import pytest
import trustme
from support.collector import Collector, GrpcCollector
from support.live import Live, streaming
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

TABLES = "CREATE TABLE orders (id int PRIMARY KEY, v text)"
EVENTS = 1_500
INSERT = f"INSERT INTO orders SELECT i, 'a' FROM generate_series(1, {EVENTS}) i"
STOP_S = 6.0
"""A start of Python takes longer than that on a busy machine; 10 s is the exporter's own time."""


@contextlib.contextmanager
def deaf() -> Iterator[tuple[str, Collector | None]]:
    """Takes requests and never answers."""
    with Collector() as collector:
        collector.deaf = True
        yield collector.url, collector


@contextlib.contextmanager
def refusing() -> Iterator[tuple[str, Collector | None]]:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}", None


@contextlib.contextmanager
def failing() -> Iterator[tuple[str, Collector | None]]:
    """Answers with an error that makes no sense to try again."""
    with Collector() as collector:
        collector.status = 400
        yield collector.url, collector


@contextlib.contextmanager
def busy() -> Iterator[tuple[str, Collector | None]]:
    """Asks to come again later, for ever."""
    with Collector() as collector:
        collector.status = 503
        yield collector.url, collector


@contextlib.contextmanager
def untrusted() -> Iterator[tuple[str, Collector | None]]:
    """Has a certificate of an authority that nobody here knows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Collector(context) as collector:
        yield collector.url, collector


@contextlib.contextmanager
def untrusted_grpc() -> Iterator[tuple[str, Collector | None]]:
    """The same over gRPC."""
    server = trustme.CA().issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
    pairs = [(server.private_key_pem.bytes(), chain)]
    with GrpcCollector(grpc.ssl_server_credentials(pairs)) as collector:
        yield collector.url, None


def sample(live: Live, name: str) -> float:
    url = live.stream.readyz.replace("/readyz", "/metrics")
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, flags=re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("make", [deaf, refusing, failing, busy, untrusted, untrusted_grpc])
def test_broken_collector_stops_no_delivery_and_no_drain(
    make: object, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make() as (url, _):  # type: ignore[operator]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        if make is untrusted_grpc:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "256")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
        with streaming(database, TABLES, max_in_flight=64, ordering="none") as live:
            live.run(INSERT)
            bodies = live.bodies()
            assert len({body["id"] for body in bodies}) == EVENTS
            dropped = 'cdc_triggers_telemetry_dropped_total{signal="traces"}'
            wait_until(lambda: sample(live, dropped) > 0, 30, "drops are counted")
            began = time.monotonic()
            assert live.stream.terminate() == 0
            assert time.monotonic() - began < STOP_S
            said = [line for line in live.stream.log.splitlines() if "telemetry." in line]
            # once per signal that fails, not once per batch, and nothing of the SDK's own
            signals = [re.search(r"signal=(\w+)", line)[1] for line in said]  # type: ignore[index]
            assert len(signals) == len(set(signals)) <= 3
            assert "Traceback" not in live.stream.log
            assert all(re.match(r"\d{4}-", line) for line in live.stream.log.splitlines())
            if make in {untrusted, untrusted_grpc}:
                assert all("not trusted" in line for line in said)


def test_deaf_collector_costs_no_throughput(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = {}
    for name in ("none", "deaf"):
        with deaf() as (url, _):
            if name == "deaf":
                monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{url}/v1/traces")
            table = f"CREATE TABLE {name} (id int PRIMARY KEY, v text)"
            with streaming(database, table, table=name, max_in_flight=64, ordering="none") as live:
                began = time.monotonic()
                live.run(INSERT.replace("orders", name))
                live.bodies()
                took[name] = time.monotonic() - began
                assert len(live.endpoint.delivered) == EVENTS
                live.stream.terminate()
    # loose, for this runs beside others: the benchmark is the place for figures
    assert took["deaf"] < 2.5 * took["none"], took


def test_collector_that_comes_back_is_said_once_and_gets_what_is_new(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        collector.status = 500
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with streaming(database, TABLES) as live:
            live.run("INSERT INTO orders VALUES (1, 'a')")
            wait_until(lambda: "telemetry.failing" in live.stream.log, what="it is said")
            assert "HTTP 500" in live.stream.log
            collector.status = 200
            live.run("INSERT INTO orders VALUES (2, 'a')")
            collector.wait_spans("process watched")
            wait_until(lambda: "telemetry.recovered" in live.stream.log, what="it is said")
            assert live.stream.log.count("telemetry.") == 2
