"""OpenTelemetry for one stream, as its variables say; what is off is not even loaded."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.telemetry import variables
from cdc_triggers.telemetry.exporters import SCOPE, Exporters
from cdc_triggers.telemetry.exports import Exports
from cdc_triggers.telemetry.ignored import ignored
from cdc_triggers.telemetry.limits import log_limits, span_limits
from cdc_triggers.telemetry.resource import attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdc_triggers.ports import Telemetry
    from cdc_triggers.telemetry.log_export import LogPush
    from cdc_triggers.telemetry.metric_export import MetricPush
    from cdc_triggers.telemetry.metrics import Family
    from cdc_triggers.telemetry.record_queue import RecordQueue
    from cdc_triggers.telemetry.tracer import Tracer

TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
SERVED = "prometheus"
"""Metrics "exported" so are served by --http, whatever the variable says."""


class StreamNames(NamedTuple):
    """What spans say of the stream they come from.

    Attributes:
        parenting: they are children of the writer's spans, not linked to them.
    """

    slot: str
    database: str
    parenting: bool


class OpenTelemetry:
    """What is on.

    Attributes:
        resource: what this process says of itself.
        tracer: None: traces are off.
        logs: where facts go besides stderr.
        exports: how each export goes.
        exemplars: which measurements are kept as exemplars: one of `variables.FILTERS`.

    Raises:
        UsageError: one of the variables cannot be used.
    """

    def __init__(
        self, environ: Mapping[str, str], names: StreamNames, telemetry: Telemetry
    ) -> None:
        self._environ = environ
        self._telemetry = telemetry
        self.resource = attributes(environ)
        self._exporters = Exporters(environ, self.resource)
        self.tracer: Tracer | None = None
        self.logs: list[LogPush] = []
        self.exports: list[Exports] = []
        self.exemplars = variables.choice(
            environ, "OTEL_METRICS_EXEMPLAR_FILTER", variables.FILTERS
        )
        self._queues: list[RecordQueue[bytes]] = []
        self._pushes: list[Callable[[Callable[[], list[Family]]], MetricPush]] = []
        self._pushing: list[MetricPush] = []
        self._wanted = {s: variables.exporters(environ, s) for s in variables.SIGNALS}
        if any(self._wanted.values()):
            # what goes wrong is said by `Exports`, once; the SDK says it for every batch
            quiet = logging.getLogger("opentelemetry")
            quiet.addHandler(logging.NullHandler())
            quiet.propagate = False
        for name in self._wanted["traces"]:
            self._trace(name)
        if self._queues:
            self.tracer = self._tracer(names)
        for name in self._wanted["logs"]:
            self._log(name)
        for name in self._wanted["metrics"]:
            if name != SERVED:
                self._measure(name)
        if not variables.disabled(environ):
            self._say_ignored()

    def start_metrics(self, take: Callable[[], list[Family]]) -> None:
        """Export what `take` returns, if that is on; call it on the loop, `take` is too."""
        for make in self._pushes:
            push = make(take)
            push.start()
            self._pushing.append(push)

    @property
    def measures(self) -> bool:
        """True if metrics are exported."""
        return bool(self._pushes)

    async def close(self) -> None:
        """Export what is left, for no longer than a moment; idempotent."""
        if self.tracer is not None:
            self.tracer.close()
        queues, self._queues = self._queues, []
        logs, self.logs = self.logs, []
        pushing, self._pushing = self._pushing, []
        await asyncio.gather(
            *(asyncio.to_thread(queue.close) for queue in queues),
            *(asyncio.to_thread(log.close) for log in logs),
            *(push.close() for push in pushing),
        )

    def _trace(self, name: str) -> None:
        from cdc_triggers.telemetry.record_queue import RecordQueue  # noqa: PLC0415 - if it is on

        exporter = self._exporters.spans(name, span_limits(self._environ))
        batching = variables.batching(self._environ, "BSP")
        self._queues.append(RecordQueue(exporter, batching, self._exports("traces", name)))

    def _tracer(self, names: StreamNames) -> Tracer:
        from cdc_triggers.telemetry.propagation import propagators  # noqa: PLC0415 - if it is on
        from cdc_triggers.telemetry.sampler import sampler  # noqa: PLC0415 - as above
        from cdc_triggers.telemetry.semantics import Semantics  # noqa: PLC0415 - as above
        from cdc_triggers.telemetry.tracer import Tracer  # noqa: PLC0415 - as above

        queues = self._queues
        return Tracer(
            queues[0] if len(queues) == 1 else _Every(queues),
            Semantics(names.slot, names.database, parenting=names.parenting),
            sampler(self._environ),
            propagators(self._environ),
            names.slot,
            parenting=names.parenting,
        )

    def _log(self, name: str) -> None:
        from cdc_triggers.telemetry.log_export import LogPush, Records  # noqa: PLC0415 - if it is on

        limits = log_limits(self._environ)
        records = Records(self._exporters.sdk_resource(), SCOPE, limits)
        exporter = self._exporters.logs(name)
        batching = variables.batching(self._environ, "BLRP")
        self.logs.append(LogPush(exporter, batching, self._exports("logs", name), records))

    def _measure(self, name: str) -> None:
        from cdc_triggers.telemetry.metric_export import MetricPush, Shape  # noqa: PLC0415 - as above

        environ = self._environ
        default = variables.METRICS_S * 1000
        interval_s = variables.number(environ, "OTEL_METRIC_EXPORT_INTERVAL", default) / 1000
        preferred = variables.choice(environ, TEMPORALITY, variables.TEMPORALITIES)
        shape = Shape(self._exporters.sdk_resource(), SCOPE, delta=preferred != "cumulative")
        exporter, exports = self._exporters.metrics(name), self._exports("metrics", name)
        self._pushes.append(lambda take: MetricPush(exporter, take, exports, shape, interval_s))

    def _exports(self, signal: str, name: str) -> Exports:
        alone = len(self._wanted[signal]) == 1
        collector = self._exporters.collector(signal, name)
        found = Exports(signal if alone else f"{signal} {name}", self._telemetry, collector)
        self.exports.append(found)
        return found

    def _say_ignored(self) -> None:
        """A name that is misspelt would be missed only when it is needed."""
        plugins = {name for names in self._wanted.values() for name in names}
        if found := ignored(self._environ, plugins):
            self._telemetry.fact("warning", "telemetry.ignored", variables=",".join(found))


class _Every:
    """Several queues of spans, each with an exporter of its own."""

    def __init__(self, queues: Sequence[RecordQueue[bytes]]) -> None:
        self._queues = queues

    def put(self, record: bytes) -> None:
        for queue in self._queues:
            queue.put(record)

    def lose(self) -> None:
        for queue in self._queues:
            queue.lose()
