"""Facts as log records, over OTLP or for an exporter of OpenTelemetry's SDK."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from cdc_triggers.telemetry.record_queue import ExportError, RecordQueue
from cdc_triggers.telemetry.shutdown import shut_down

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource

    from cdc_triggers.telemetry.exports import Exports
    from cdc_triggers.telemetry.limits import Limits
    from cdc_triggers.telemetry.record_queue import Exporter
    from cdc_triggers.telemetry.variables import Batching

_SEVERITIES = {
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
}


class SdkLogExporter:
    """Implements `record_queue.Exporter` by an exporter of the SDK."""

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
        shut_down(self._exporter)


class Records:
    """Makes records of facts.

    Args:
        scope: name and version of what they come from.
        limits: of one record; None: there are none.
    """

    def __init__(self, resource: Resource, scope: tuple[str, str], limits: Limits | None) -> None:
        self._resource = resource
        self._scope = InstrumentationScope(*scope)
        self._limits = limits

    def make(self, level: str, name: str, keys: Mapping[str, object]) -> ReadableLogRecord:
        """One of now."""
        now = time.time_ns()
        record = LogRecord(
            timestamp=now,
            observed_timestamp=now,
            context=_context(keys.get("trace_id"), keys.get("span_id")),
            severity_text=level.upper(),
            severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
            body=name,
            attributes=self._attributes(keys),
            event_name=name,
        )
        return ReadableLogRecord(record, self._resource, self._scope)

    def _attributes(self, keys: Mapping[str, object]) -> Mapping[str, Any]:
        found = {key: _plain(value) for key, value in keys.items() if value is not None}
        if self._limits is None:
            return found
        count, length, _ = self._limits
        kept = dict(list(found.items())[:count])
        # of the SDK, for it says how many are missing
        bounded = BoundedAttributes(count, kept, immutable=False, max_value_len=length)
        bounded.dropped = len(found) - len(kept)
        return bounded


class LogPush:
    """Takes facts as `ports.Telemetry` does; never waits."""

    def __init__(
        self,
        exporter: Exporter[ReadableLogRecord],
        batching: Batching,
        exports: Exports,
        records: Records,
    ) -> None:
        self._queue = RecordQueue(exporter, batching, exports)
        self._records = records

    def fact(self, level: str, name: str, keys: Mapping[str, object]) -> None:
        """Queue a fact."""
        self._queue.put(self._records.make(level, name, keys))

    def close(self) -> None:
        """Export what is queued, for no longer than a moment; idempotent."""
        self._queue.close()


def encode(records: Sequence[ReadableLogRecord]) -> bytes:
    """A request of OTLP."""
    data: bytes = encode_logs(records).SerializeToString()
    return data


def _context(trace_id: object, span_id: object) -> Context | None:
    """The exported span that a fact is about; OTLP wants both ids or none."""
    if not (isinstance(trace_id, str) and isinstance(span_id, str) and trace_id and span_id):
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    found = SpanContext(int(trace_id, 16), int(span_id, 16), False, flags)  # noqa: FBT003
    return set_span_in_context(NonRecordingSpan(found))


def _plain(value: object) -> str | bool | int | float:
    return value if isinstance(value, (str, bool, int, float)) else str(value)
