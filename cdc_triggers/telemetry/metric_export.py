"""Metrics over OTLP, or by an exporter of the SDK: what `/metrics` shows, at an interval."""

from __future__ import annotations

import asyncio
import threading
import time
from math import isfinite
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Exemplar as ExemplarData
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.export import Metric as MetricData
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from cdc_triggers.core.meter import Histogram
from cdc_triggers.telemetry.metrics import OF_DATABASE, Family, Kind, Point
from cdc_triggers.telemetry.record_queue import ExportError
from cdc_triggers.telemetry.shutdown import shut_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.sdk.resources import Resource

    from cdc_triggers.core.meter import Exemplar
    from cdc_triggers.telemetry.exports import Exports
    from cdc_triggers.telemetry.metrics import Metric
    from cdc_triggers.telemetry.record_queue import Exporter

CLOSE_S = 1.0
"""How long the end waits for the last export."""


class SdkMetricExporter:
    """Implements `record_queue.Exporter` by an exporter of the SDK.

    Args:
        timeout_s: of an export; None: the exporter's own.
    """

    def __init__(self, exporter: Any, timeout_s: float | None) -> None:
        self._exporter = exporter
        self._within = {} if timeout_s is None else {"timeout_millis": timeout_s * 1000}

    def export(self, records: Sequence[MetricsData]) -> None:
        """See `record_queue.Exporter.export`."""
        for data in records:
            try:
                result = self._exporter.export(data, **self._within)
            except Exception as error:  # whatever a plugin does, the next one is tried
                raise ExportError(type(error).__name__) from error
            if result is not MetricExportResult.SUCCESS:
                raise ExportError("the exporter has given up")

    def cut(self) -> None:
        """See `record_queue.Exporter.cut`."""
        shut_down(self._exporter)


class MetricPush:
    """Takes a snapshot on the loop at every interval, and exports it in a thread.

    Args:
        take: makes the snapshot; called on the loop.
    """

    def __init__(
        self,
        exporter: Exporter[MetricsData],
        take: Callable[[], list[Family]],
        exports: Exports,
        shape: Shape,
        interval_s: float,
    ) -> None:
        self._exporter = exporter
        self._take = take
        self._exports = exports
        self._shape = shape
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None
        self._running: threading.Thread | None = None

    def start(self) -> None:
        """Begin; call it on the loop."""
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Export once more, for no longer than a moment; idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        until = time.monotonic() + CLOSE_S
        await self._ended(until)  # one that runs has not what came since
        self._export()
        await self._ended(until)
        closing = threading.Thread(target=self._exporter.cut, daemon=True)
        closing.start()

    async def _ended(self, until: float) -> None:
        """Wait for the export that runs."""
        if self._running is not None:
            await asyncio.to_thread(self._running.join, max(0.0, until - time.monotonic()))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            self._export()

    def _export(self) -> None:
        """Not while one runs: a collector that is deaf must not gather threads."""
        if self._running is not None and self._running.is_alive():
            self._exports.dropped += 1
            return
        data = self._shape.data(self._take(), time.time_ns())
        running = threading.Thread(target=self._send, args=(data,), name="metrics", daemon=True)
        try:
            running.start()
        except RuntimeError:  # the machine has no thread left: at the next interval perhaps
            self._exports.dropped += 1
            return
        self._running = running

    def _send(self, data: MetricsData) -> None:
        points = sum(
            len(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        try:
            self._exporter.export([data])
        except ExportError as error:
            self._exports.failed(str(error), points, error.refused)
        else:
            self._exports.succeeded(points)


class Shape:
    """Families as the SDK's data.

    Sums are since the start of the process, so that a batch that is lost loses no count; or, if
    `delta`, since the last batch, for backends that want it so.

    Args:
        scope: name and version of what they come from.
    """

    def __init__(self, resource: Resource, scope: tuple[str, str], *, delta: bool = False) -> None:
        self._resource = resource
        self._scope = InstrumentationScope(*scope)
        self._start_ns = time.time_ns()
        self._before: dict[tuple[Metric, tuple[str, ...]], float | Histogram] | None = None
        if delta:
            self._before = {}
        kinds = AggregationTemporality
        self._temporality = kinds.DELTA if delta else kinds.CUMULATIVE

    def data(self, families: Iterable[Family], now_ns: int) -> MetricsData:
        """What an exporter takes."""
        if self._before is not None:
            families = [self._since(family, self._before) for family in families]
        metrics = [self._metric(family, now_ns) for family in families if family.points]
        if self._before is not None:
            self._start_ns = now_ns
        scope = ScopeMetrics(self._scope, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    @staticmethod
    def _since(
        family: Family, before: dict[tuple[Metric, tuple[str, ...]], float | Histogram]
    ) -> Family:
        """The same without what was exported before."""
        if family.metric.kind is Kind.GAUGE:
            return family
        points = []
        for labels, value in family.points:
            key = (family.metric, labels)
            last = before.get(key)
            if isinstance(value, Histogram):
                before[key] = value.copy()
                added: float | Histogram = value if last is None else value.less(last)  # type: ignore[arg-type]
            else:
                before[key] = value
                added = _added(family.metric, value, last)  # type: ignore[arg-type]
            points.append(Point(labels, added))
        return Family(family.metric, points)

    def _metric(self, family: Family, now_ns: int) -> MetricData:
        metric = family.metric
        labels = [dict(zip(metric.labels, point.labels, strict=True)) for point in family.points]
        pairs = list(zip(labels, family.points, strict=True))
        data: Any
        if metric.kind is Kind.HISTOGRAM:
            points = [self._histogram(each, point, now_ns) for each, point in pairs]
            data = HistogramData(points, self._temporality)
        else:
            numbers = [
                NumberDataPoint(each, self._start_ns, now_ns, point.value)  # type: ignore[arg-type]
                for each, point in pairs
            ]
            counter = metric.kind is Kind.COUNTER
            data = Sum(numbers, self._temporality, is_monotonic=True) if counter else Gauge(numbers)
        return MetricData(metric.name, metric.help, metric.unit, data)

    def _histogram(self, labels: dict[str, str], point: Point, now_ns: int) -> HistogramDataPoint:
        histogram: Histogram = point.value  # type: ignore[assignment]
        return HistogramDataPoint(
            labels,
            self._start_ns,
            now_ns,
            histogram.count,
            histogram.sum,
            list(histogram.counts),
            histogram.bounds,
            _known(histogram.least),
            _known(histogram.most),
            [_exemplar(each) for each in histogram.exemplars.values()],
        )


def encode(records: Sequence[MetricsData]) -> bytes:
    """A request of OTLP, for one snapshot."""
    [data] = records
    encoded: bytes = encode_metrics(data).SerializeToString()
    return encoded


def _added(metric: Metric, value: float, last: float | None) -> float:
    """What a counter has more than it had."""
    if last is None:
        # that of a database began long before this process
        return 0 if metric in OF_DATABASE else value
    return value - last if value >= last else value  # it began anew


def _known(extreme: float) -> Any:
    """None, which no exporter sends, where there is none."""
    return extreme if isfinite(extreme) else None


def _exemplar(found: Exemplar) -> ExemplarData:
    ids = (found.span_id, found.trace_id)
    span_id, trace_id = (int(each, 16) if each else None for each in ids)
    return ExemplarData({}, found.value, int(found.at * 1e9), span_id, trace_id)
