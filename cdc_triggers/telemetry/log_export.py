"""Facts as log records, for an exporter of OpenTelemetry's SDK."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from cdc_triggers.telemetry.record_queue import ExportError, RecordQueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource

    from cdc_triggers.telemetry.exports import Exports
    from cdc_triggers.telemetry.variables import Batching

_SEVERITIES = {
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
}


class LogExporter:
    """Implements `record_queue.Exporter`."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def export(self, records: Sequence[ReadableLogRecord]) -> None:
        """See `record_queue.Exporter.export`."""
        try:
            result = self._exporter.export(records)
        except Exception as error:  # whatever a plugin does, the next batch is tried again
            raise ExportError(type(error).__name__) from error
        if result is not LogRecordExportResult.SUCCESS:
            raise ExportError("the exporter has given up")

    def cut(self) -> None:
        """See `record_queue.Exporter.cut`."""
        self._exporter.shutdown()


class LogPush:
    """Takes facts as `ports.Telemetry` does; never waits."""

    def __init__(
        self, exporter: Any, batching: Batching, exports: Exports, resource: Resource, version: str
    ) -> None:
        self._queue = RecordQueue(LogExporter(exporter), batching, exports)
        self._resource = resource
        self._scope = InstrumentationScope("cdc_triggers", version)

    def fact(self, level: str, name: str, keys: Mapping[str, object]) -> None:
        """Queue a fact."""
        now = time.time_ns()
        record = LogRecord(
            timestamp=now,
            observed_timestamp=now,
            context=_context(keys.get("trace_id")),
            severity_text=level.upper(),
            severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
            body=name,
            attributes={key: _plain(value) for key, value in keys.items() if value is not None},
            event_name=name,
        )
        self._queue.put(ReadableLogRecord(record, self._resource, self._scope))

    def close(self) -> None:
        """Export what is queued, for no longer than a moment; idempotent."""
        self._queue.close()


def _context(trace_id: object) -> Context | None:
    """The trace that a fact is about; a span of it is not known."""
    if not isinstance(trace_id, str) or not trace_id:
        return None
    found = SpanContext(int(trace_id, 16), 1, False, TraceFlags(TraceFlags.SAMPLED))  # noqa: FBT003
    return set_span_in_context(NonRecordingSpan(found))


def _plain(value: object) -> str | bool | int | float:
    return value if isinstance(value, (str, bool, int, float)) else str(value)
