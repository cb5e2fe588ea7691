"""OTLP in JSON: protobuf's own form of it, with three deviations.

Ids of traces and spans are in hex, enums are numbers, and no name is as it is in the .proto files.
"""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.json_format import MessageToDict, Parse, ParseError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/json"

MESSAGES: Mapping[str, tuple[Any, Any]] = {
    "traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
    "logs": (ExportLogsServiceRequest, ExportLogsServiceResponse),
}

IDS = frozenset({"traceId", "spanId", "parentSpanId"})


class JsonMessages:
    """Those of one signal."""

    def __init__(self, signal: str) -> None:
        self._request, self._answer = MESSAGES[signal]

    def request(self, body: bytes) -> bytes:
        """A request that is encoded in protobuf, in JSON."""
        made = MessageToDict(self._request.FromString(body), use_integers_for_enums=True)
        _ids_in_hex(made)
        return orjson.dumps(made)

    def answer(self, text: bytes) -> bytes:
        """An answer in JSON, in protobuf; empty if it is none."""
        try:
            answer = Parse(text, self._answer(), ignore_unknown_fields=True)
        except (ParseError, UnicodeDecodeError):
            return b""
        data: bytes = answer.SerializeToString()
        return data


def _ids_in_hex(node: Any) -> None:
    """All keys are names of fields: those of attributes are values here."""
    if isinstance(node, list):
        for each in node:
            _ids_in_hex(each)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in IDS:
                node[name] = b64decode(value).hex()
            elif name != "attributes":
                _ids_in_hex(value)
