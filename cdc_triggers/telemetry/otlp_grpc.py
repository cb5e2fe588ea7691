"""OTLP over gRPC. The requests are encoded already: no stub is needed, and no class."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

# what goes wrong is said by `Exports`; gRPC's own lines would stand between those of the log
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from cdc_triggers.telemetry import tls
from cdc_triggers.telemetry.otlp_export import Busy, TooLarge
from cdc_triggers.telemetry.otlp_target import USER_AGENT
from cdc_triggers.telemetry.record_queue import ExportError

if TYPE_CHECKING:
    from cdc_triggers.telemetry.otlp_target import Target

SERVICES = {"traces": "trace.v1.Trace", "metrics": "metrics.v1.Metrics", "logs": "logs.v1.Logs"}

RETRIED = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)

LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""The connection may be dead: where a firewall has forgotten it, it would hang for many minutes."""

SIZED = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE})
"""What servers say to a message above their limit; Rust's say the second."""

COMPRESSIONS = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}

_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED(?:: (?P<why>[^:;(]+))?")
_HANDSHAKE = re.compile(r"handshake failed|SSL_ERROR|TSI_", re.IGNORECASE)
_NAME = re.compile(r"hostname verification|not match|peer name", re.IGNORECASE)
_LARGE = re.compile(r"larger than max|exceeds maximum|too large", re.IGNORECASE)
_CLOSED = re.compile(r"socket closed|connection reset|broken pipe", re.IGNORECASE)


class GrpcTransport:
    """Implements `otlp_export.Transport`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        service = f"opentelemetry.proto.collector.{SERVICES[target.signal]}Service"
        self._method = f"/{service}/Export"
        self._channel: Any = None
        self._call: Any = None

    def send(self, body: bytes, timeout_s: float) -> bytes | Busy | TooLarge:
        """See `otlp_export.Transport.send`."""
        if self._call is None:
            self._channel = self._connect()
            self._call = self._channel.unary_unary(self._method)
        try:
            answer: bytes = self._call(body, timeout=timeout_s, metadata=self._target.headers)
        except grpc.RpcError as error:
            return self._refused(error)
        return answer

    def close(self) -> None:
        """See `otlp_export.Transport.close`."""
        if (channel := self._channel) is not None:
            channel.close()

    def _connect(self) -> Any:
        target = self._target
        compression = COMPRESSIONS[target.compression]
        # else a channel that is made anew may go on with the connection of the one before
        alone = ("grpc.use_local_subchannel_pool", 1)
        options = (("grpc.primary_user_agent", USER_AGENT), alone)
        if not target.secure:
            return grpc.insecure_channel(target.url, options, compression)
        tls.context(target.files)  # it says what is wrong with a file; gRPC does not
        authority, certificate, key = (None if f is None else f.read() for f in target.files)
        credentials = grpc.ssl_channel_credentials(authority, key or certificate, certificate)
        return grpc.secure_channel(target.url, credentials, options, compression)

    def _refused(self, error: Any) -> Busy | TooLarge:
        """Raises ExportError if another attempt makes no sense."""
        code, details = error.code(), error.details() or ""
        if code in LOST:
            self._forget()
            if self._target.secure and (found := _trouble(details)):
                raise ExportError(found) from error
        text = f"gRPC {code.name}"
        if self._target.secure and _CLOSED.search(details):
            # since TLS 1.3 a client learns no more than that
            text += ": closed after TLS; perhaps it asks for a client certificate"
        asked_s = _asked_s(error)
        if asked_s is None and code in SIZED and _LARGE.search(details):
            return TooLarge(f"{text}: the batch is too large")
        if code in RETRIED or asked_s is not None:
            return Busy(text, asked_s)
        raise ExportError(text) from error

    def _forget(self) -> None:
        """The next call connects at once; with TLS it reads the files again."""
        self.close()
        self._channel = self._call = None


def _trouble(details: str) -> str | None:
    """What TLS has against the connection; None: nothing."""
    if found := _UNTRUSTED.search(details):
        return tls.untrusted((found["why"] or "it cannot be verified").strip())
    if _NAME.search(details):
        return tls.untrusted("it is of another host")
    return "TLS: the handshake failed" if _HANDSHAKE.search(details) else None


def _asked_s(error: Any) -> float | None:
    """Seconds after which the collector wants to be asked again."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            from google.rpc.error_details_pb2 import RetryInfo  # noqa: PLC0415 - seldom needed
            from google.rpc.status_pb2 import Status  # noqa: PLC0415 - as above

            info = RetryInfo()
            for detail in Status.FromString(value).details:
                if detail.Unpack(info):
                    delay_s: float = info.retry_delay.ToTimedelta().total_seconds()
                    return delay_s
    return None
