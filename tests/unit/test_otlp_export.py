"""What cannot be exported is lost alone."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from support.collector import Collector, GrpcCollector
from support.proxy import Proxy
from support.waiting import wait_until

from cdc_triggers.telemetry import otlp_export
from cdc_triggers.telemetry.exporters import Exporters
from cdc_triggers.telemetry.otlp import Kind, Template, attribute
from cdc_triggers.telemetry.otlp_export import Busy, OtlpExporter, TooLarge
from cdc_triggers.telemetry.record_queue import ExportError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from cdc_triggers.telemetry.record_queue import Exporter

LINES = ("http/protobuf", "http/json")


def exported(exporter: Exporter[bytes]) -> bool:
    """True if the collector takes a span."""
    try:
        exporter.export(spans(1))
    except ExportError:
        return False
    return True


class Taken:
    """Takes bodies of so many bytes at most."""

    def __init__(self, most: int = 1_000) -> None:
        self.bodies: list[bytes] = []
        self.refused = 0
        self._most = most

    def send(self, body: bytes, _timeout_s: float) -> bytes | TooLarge:
        if len(body) > self._most:
            self.refused += 1
            return TooLarge("too large")
        self.bodies.append(body)
        return b""

    def close(self) -> None:
        pass


def encode(records: Sequence[str]) -> bytes:
    return "".join(records).encode("ascii")


def spans(count: int) -> list[bytes]:
    """Of 2 KiB each."""
    template = Template("process", Kind.CONSUMER, ())
    own = attribute("url.full", "u" * 2_000)
    ids = ((1 + number).to_bytes(8, "big") for number in range(count))
    return [template.span(b"t" * 16, each, b"", 1, 2, own=own) for each in ids]


def test_a_batch_that_cannot_be_encoded_is_lost_and_the_next_is_sent() -> None:
    taken = Taken()
    exporter = OtlpExporter(encode, taken, 1.0)
    with pytest.raises(ExportError, match="not encoded: UnicodeEncodeError"):
        exporter.export(["é"])
    exporter.export(["e"])
    assert taken.bodies == [b"e"]


@pytest.mark.parametrize("protocol", LINES)
def test_a_batch_that_is_too_large_for_a_collector_over_http_is_sent_in_parts(
    protocol: str,
) -> None:
    with Collector() as collector:
        collector.most = 1_000_000  # as nginx by default
        environ = collector.environ(OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
        exporter = Exporters(environ, {}).spans("otlp", None)
        exporter.export(spans(1_000))
        assert len({span.span_id for span in collector.spans()}) == len(collector.spans()) == 1_000


def test_a_batch_that_is_too_large_for_a_collector_over_grpc_is_sent_in_parts() -> None:
    with GrpcCollector() as collector:  # takes 4 MiB, as all do by default
        exporter = Exporters(collector.environ(), {}).spans("otlp", None)
        exporter.export(spans(4_096))
        assert len({span.span_id for span in collector.spans()}) == len(collector.spans()) == 4_096


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 60)
)
def test_parts_have_every_record_once_and_those_that_are_too_large_alone_are_counted(
    sizes: list[int], most: int, least: int
) -> None:
    taken = Taken(most)
    records = [chr(65 + number % 26) * size for number, size in enumerate(sizes)]
    exporter = OtlpExporter(encode, taken, 10.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_export, "LEAST_BYTES", least)
        try:
            exporter.export(records)
        except ExportError as error:
            lost = len(records) if error.refused is None else error.refused
        else:
            lost = 0
    sent = b"".join(taken.bodies).decode()
    if least < most:  # then what it takes is looked for to the end
        assert sent == "".join(record for record in records if len(record) <= most)
        assert lost == sum(size > most for size in sizes)
    assert len(sent) <= sum(sizes)


def test_what_a_collector_calls_too_large_once_is_not_sent_to_it_again() -> None:
    taken = Taken(100_000)
    exporter = OtlpExporter(encode, taken, 10.0)
    records = ["r" * 1_000] * 150
    for _ in range(10):
        exporter.export(records)
    assert (taken.refused, sum(map(len, taken.bodies))) == (1, 1_500_000)


def test_a_collector_that_takes_nothing_is_not_asked_for_each_record() -> None:
    taken = Taken(0)
    exporter = OtlpExporter(encode, taken, 10.0)
    with pytest.raises(ExportError, match="too large") as found:
        exporter.export(["r" * 1_000] * 1_000)
    assert (found.value.refused, taken.bodies) == (1_000, [])
    assert taken.refused < 40


def test_what_a_collector_says_of_a_part_that_it_refused_is_cut_for_the_log() -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 1
    answer.partial_success.error_message = "no! " * 100_000
    with Collector() as collector:
        collector.answer = answer.SerializeToString()
        with pytest.raises(ExportError, match="refused a part: no!") as found:
            Exporters(collector.environ(), {}).spans("otlp", None).export(spans(1))
    assert len(str(found.value)) < 600


@pytest.mark.parametrize("asked_s", [-5.0, 1e-6, 0.0, None])
def test_a_busy_collector_is_not_flooded_whatever_it_asks_for(asked_s: float | None) -> None:
    class Full(Taken):
        asked = 0

        def send(self, body: bytes, _timeout_s: float) -> bytes | TooLarge | Busy:  # type: ignore[override]  # noqa: ARG002
            self.asked += 1
            return Busy("full", asked_s)

    full = Full()
    with pytest.raises(ExportError, match="full"):
        OtlpExporter(encode, full, 0.7).export(["r"])
    assert full.asked == 2


def test_a_connection_over_grpc_that_has_died_silently_is_made_anew() -> None:
    class Forgets(Proxy):
        """Lets nothing pass on connections that are forgotten, as a firewall does."""

        def __init__(self, host: str, port: int) -> None:
            self.forgotten: set[socket.socket] = set()
            super().__init__(host, port)

        def forget(self) -> None:
            with self._lock:
                self.forgotten = set(self._sockets)

        def _admit(self, source: socket.socket, sink: socket.socket, data: bytes) -> None:  # noqa: ARG002
            if source in self.forgotten:
                self._stopped.wait()

    with GrpcCollector() as collector:
        host, _, port = collector.url.rpartition("/")[2].partition(":")
        with Forgets(host, int(port)) as proxy:
            environ = collector.environ(
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{proxy.host}:{proxy.port}",
                OTEL_EXPORTER_OTLP_TIMEOUT="1",
            )
            exporter = Exporters(environ, {}).spans("otlp", None)
            exporter.export(spans(1))
            proxy.forget()
            with pytest.raises(ExportError, match="DEADLINE_EXCEEDED"):
                exporter.export(spans(1))
            wait_until(lambda: exported(exporter), what="the collector is found again")
            exporter.cut()
        assert len(collector.spans()) == 2


def test_an_answer_without_end_ends_the_export_in_time() -> None:
    gone = threading.Event()

    class Drips(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not gone.wait(0.02):
                    self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Drips) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5"}
        exporter = Exporters(environ, {}).spans("otlp", None)
        said: list[str] = []
        ended = threading.Event()

        def export() -> None:
            try:
                exporter.export(spans(1))
            except ExportError as error:
                said.append(str(error))
            ended.set()

        threading.Thread(target=export, daemon=True).start()
        in_time = ended.wait(10.0)
        gone.set()
        server.shutdown()
    assert (in_time, said) == (True, ["an answer without end"])
