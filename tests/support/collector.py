"""Collectors for OTLP over HTTP and over gRPC: real servers that keep what they were sent."""

from __future__ import annotations

import gzip
import threading
import zlib
from base64 import b64encode
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import grpc
import orjson
from google.protobuf.json_format import ParseDict
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.waiting import wait_until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

REQUESTS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
UNPACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


def decode(path: str, kind: str, body: bytes) -> Any:
    """A request in protobuf, or in OTLP's JSON."""
    if kind == "application/x-protobuf":
        return REQUESTS[path].FromString(body)
    assert kind == "application/json", kind
    return ParseDict(_with_base64(orjson.loads(body)), REQUESTS[path]())


def _with_base64(node: Any) -> Any:
    """Ids as protobuf's own JSON has them."""
    if isinstance(node, list):
        return [_with_base64(each) for each in node]
    if not isinstance(node, dict):
        return node
    ids = {"traceId", "spanId", "parentSpanId"}
    return {
        name: b64encode(bytes.fromhex(value)).decode() if name in ids else _with_base64(value)
        for name, value in node.items()
    }


class Collected:
    """`requests` has (path, headers, decoded message) in order of arrival."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, str], Any]] = []

    def messages(self, path: str) -> list[Any]:
        return [message for at, _, message in list(self.requests) if at == path]

    def spans(self) -> list[Span]:
        """All that has arrived."""
        return [
            Span(span)
            for message in self.messages("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait_spans(self, *names: str) -> list[Span]:
        """All spans, once there is at least one of each name."""

        def found() -> list[Span]:
            spans = self.spans()
            return spans if {span.name for span in spans} >= set(names) else []

        return wait_until(found, what=f"spans {names}")

    def metrics(self) -> dict[str, Any]:
        """The last message of each metric."""
        return {
            metric.name: metric
            for message in self.messages("/v1/metrics")
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def logs(self) -> list[Any]:
        return [
            record
            for message in self.messages("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


class Collector(Collected):
    """Answers 200, or what `status` says; a set `deaf` makes it wait without an answer.

    `answer` is what it says to what it takes, in what it was asked in. A body of more than `most`
    bytes is answered with 413. With `tls` it speaks HTTPS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.status = 200
        self.deaf = False
        self.answer = b""
        self.most: int | None = None
        self._scheme = "http" if tls is None else "https"
        self._free = threading.Event()

        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                collector.take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            # a handshake that fails must not end the thread that accepts
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def environ(self, **more: str) -> dict[str, str]:
        """Variables that send everything here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BLRP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "300",
            **more,
        }

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        kind = handler.headers["content-type"]
        if self.deaf:
            self._free.wait()
        unpack = UNPACKERS.get(handler.headers.get("content-encoding", ""), bytes)
        status = self.status
        if self.most is not None and len(body) > self.most:
            status = 413
        if status == 200:
            message = decode(handler.path, kind, unpack(body))
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append((handler.path, headers, message))
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(self.answer)))
        handler.end_headers()
        handler.wfile.write(self.answer)


class GrpcCollector(Collected):
    """Takes what comes; `refusal` is a status that it answers with instead, and its details.

    With `asked_s` it refuses the first request only, and asks to come again after so long.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        super().__init__()
        self.asked_s: float | None = None
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((_Services(self),))
        if credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self.url = f"{'http' if credentials is None else 'https'}://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0)

    def environ(self, **more: str) -> dict[str, str]:
        """Variables that send everything here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BLRP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "300",
            **more,
        }


class _Services(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, collector: GrpcCollector) -> None:
        self._collector = collector

    def service(self, details: Any) -> Any:
        signal = next(
            name for name in ("trace", "metrics", "logs") if f".{name}." in details.method
        )
        path = f"/v1/{signal}".replace("trace", "traces")
        headers = {pair.key: pair.value for pair in details.invocation_metadata}

        def export(body: bytes, context: Any) -> bytes:
            refusal, asked_s = self._collector.refusal, self._collector.asked_s
            if refusal is not None:
                if asked_s is not None:
                    self._collector.refusal = None
                    status = Status(code=refusal[0].value[0])
                    info = RetryInfo()
                    info.retry_delay.FromNanoseconds(int(asked_s * 1e9))
                    status.details.add().Pack(info)
                    details = (("grpc-status-details-bin", status.SerializeToString()),)
                    context.set_trailing_metadata(details)
                context.abort(*refusal)
            self._collector.requests.append((path, headers, REQUESTS[path].FromString(body)))
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


class Span:
    """A span as a test reads it."""

    def __init__(self, span: Any) -> None:
        self.name: str = span.name
        self.kind: int = span.kind
        self.trace_id: str = span.trace_id.hex()
        self.span_id: str = span.span_id.hex()
        self.parent: str = span.parent_span_id.hex()
        self.state: str = span.trace_state
        self.start_ns: int = span.start_time_unix_nano
        self.end_ns: int = span.end_time_unix_nano
        self.flags: int = span.flags
        self.attributes = values(span.attributes)
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.status: tuple[int, str] = (span.status.code, span.status.message)


def values(pairs: Iterable[Any]) -> dict[str, Any]:
    """Attributes as a dict."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
