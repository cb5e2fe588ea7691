"""Spans through an exporter of OpenTelemetry's SDK: gRPC, the console, whatever is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.span import TraceState
from opentelemetry.trace.status import Status, StatusCode

from cdc_triggers.telemetry.limits import cut_spans
from cdc_triggers.telemetry.otlp import Kind
from cdc_triggers.telemetry.record_queue import ExportError
from cdc_triggers.telemetry.shutdown import shut_down

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

    from cdc_triggers.telemetry.limits import Limits

_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.CONSUMER: SpanKind.CONSUMER,
}
_IS_REMOTE = 0x200


class SdkExporter:
    """Implements `record_queue.Exporter`."""

    def __init__(
        self, exporter: Any, limits: Limits | None, resource: Resource, scope: tuple[str, str]
    ) -> None:
        self._limits = limits
        self._exporter = exporter
        self._resource = resource
        self._scope = InstrumentationScope(*scope)

    def export(self, records: Sequence[bytes]) -> None:
        """See `record_queue.Exporter.export`."""
        kept = records if self._limits is None else cut_spans(records, self._limits)
        spans = ScopeSpans.FromString(b"".join(kept)).spans
        try:
            result = self._exporter.export([self._span(span) for span in spans])
        except Exception as error:  # whatever a plugin does, the next batch is tried again
            raise ExportError(type(error).__name__) from error
        if result is not SpanExportResult.SUCCESS:
            raise ExportError("the exporter has given up")

    def cut(self) -> None:
        """See `record_queue.Exporter.cut`."""
        shut_down(self._exporter)

    def _span(self, span: Any) -> ReadableSpan:
        remote = bool(span.flags & _IS_REMOTE)
        failed = span.status.code == StatusCode.ERROR.value
        return ReadableSpan(
            span.name,
            _context(span.trace_id, span.span_id, span.trace_state),
            _context(span.trace_id, span.parent_span_id, "", remote=remote)
            if span.parent_span_id
            else None,
            self._resource,
            {
                pair.key: getattr(pair.value, pair.value.WhichOneof("value"))
                for pair in span.attributes
            },
            (),
            tuple(
                Link(_context(link.trace_id, link.span_id, link.trace_state, remote=True))
                for link in span.links
            ),
            _KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.status.message) if failed else Status(),
            start_time=span.start_time_unix_nano,
            end_time=span.end_time_unix_nano,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: bytes, span_id: bytes, state: str, *, remote: bool = False) -> SpanContext:
    return SpanContext(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        remote,
        TraceFlags(TraceFlags.SAMPLED),
        TraceState.from_header([state]) if state else None,
    )
