"""Which exporter does a signal have? OTLP of this package, or one of the SDK's or a plugin's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cdc_triggers import __version__
from cdc_triggers.errors import UsageError
from cdc_triggers.telemetry.limits import cut_spans
from cdc_triggers.telemetry.variables import GRPC, HTTP, JSON, export_s, protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource

    from cdc_triggers.telemetry.limits import Limits
    from cdc_triggers.telemetry.otlp_export import OtlpExporter
    from cdc_triggers.telemetry.otlp_target import Target
    from cdc_triggers.telemetry.record_queue import Exporter

T = TypeVar("T")

SCOPE = ("cdc_triggers", __version__)
PLUGINS = {"otlp_proto_http": HTTP, "otlp_json_http": JSON, "otlp_proto_grpc": GRPC}
"""What the SDK calls OTLP where the protocol is part of the name."""


class Exporters(NamedTuple):
    """Makes exporters by name.

    Attributes:
        resource: what this process says of itself.
    """

    environ: Mapping[str, str]
    resource: Mapping[str, str]

    def spans(self, name: str, limits: Limits | None) -> Exporter[bytes]:
        """One for spans as `telemetry.otlp` makes them, within the limits.

        Raises:
            UsageError: there is none of this name, or a variable cannot be used.
        """
        if (protocol := self._protocol("traces", name)) is not None:
            from cdc_triggers.telemetry import otlp  # noqa: PLC0415 - if it is on

            resource = otlp.resource(self.resource.items())
            scope = otlp.scope(*SCOPE)

            def encode(spans: Sequence[bytes]) -> bytes:
                if limits is not None:
                    spans = cut_spans(spans, limits)
                return otlp.request(spans, resource, scope)

            return self._otlp("traces", protocol, encode)
        from cdc_triggers.telemetry.sdk_spans import SdkExporter  # noqa: PLC0415 - as above

        return SdkExporter(_plugin("traces", name), limits, self.sdk_resource(), SCOPE)

    def logs(self, name: str) -> Exporter[ReadableLogRecord]:
        """One for log records; raises as above."""
        from cdc_triggers.telemetry import log_export  # noqa: PLC0415 - if it is on

        if (protocol := self._protocol("logs", name)) is not None:
            return self._otlp("logs", protocol, log_export.encode)
        return log_export.SdkLogExporter(_plugin("logs", name))

    def metrics(self, name: str) -> Exporter[MetricsData]:
        """One for metrics; raises as above."""
        from cdc_triggers.telemetry import metric_export  # noqa: PLC0415 - if it is on

        if (protocol := self._protocol("metrics", name)) is not None:
            return self._otlp("metrics", protocol, metric_export.encode)
        within_s = export_s(self.environ, "metrics")
        return metric_export.SdkMetricExporter(_plugin("metrics", name), within_s)

    def sdk_resource(self) -> Resource:
        """The resource as the SDK has it."""
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - slow

        return Resource(dict(self.resource))  # not `create`, which adds what spans do not have

    def collector(self, signal: str, name: str) -> str | None:
        """Host and port of the collector that an exporter sends to; None: it is not OTLP.

        Raises:
            UsageError: a variable cannot be used.
        """
        from cdc_triggers.telemetry.otlp_target import target  # noqa: PLC0415 - if it is on

        protocol = self._protocol(signal, name)
        if protocol is None:
            return None
        return target(self.environ, signal, grpc=protocol == GRPC).collector

    def _protocol(self, signal: str, name: str) -> str | None:
        """That of OTLP; None: it is something else."""
        return protocol(self.environ, signal) if name == "otlp" else PLUGINS.get(name)

    def _otlp(
        self, signal: str, protocol: str, encode: Callable[[Sequence[T]], bytes]
    ) -> OtlpExporter[T]:
        from cdc_triggers.telemetry.otlp_export import OtlpExporter  # noqa: PLC0415 - if it is on
        from cdc_triggers.telemetry.otlp_target import target  # noqa: PLC0415 - as above

        found = target(self.environ, signal, grpc=protocol == GRPC)
        if protocol == GRPC:
            return OtlpExporter(encode, _grpc()(found), found.timeout_s)
        if protocol == JSON:
            return _json(found, encode)
        from cdc_triggers.telemetry.otlp_http import HttpTransport  # noqa: PLC0415 - as above

        return OtlpExporter(encode, HttpTransport(found), found.timeout_s)


def _json(target: Target, encode: Callable[[Sequence[T]], bytes]) -> OtlpExporter[T]:
    from cdc_triggers.telemetry import otlp_json  # noqa: PLC0415 - if it is on
    from cdc_triggers.telemetry.otlp_export import OtlpExporter  # noqa: PLC0415 - as above
    from cdc_triggers.telemetry.otlp_http import Coding, HttpTransport  # noqa: PLC0415 - as above

    messages = otlp_json.JsonMessages(target.signal)
    transport = HttpTransport(target, Coding(otlp_json.CONTENT_TYPE, messages.answer))

    def encode_json(records: Sequence[T]) -> bytes:
        return messages.request(encode(records))

    return OtlpExporter(encode_json, transport, target.timeout_s)


def _grpc() -> Any:
    try:
        from cdc_triggers.telemetry.otlp_grpc import GrpcTransport  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "OTLP over gRPC is not installed",
            hint=f"pip install 'cdc-triggers[otlp-grpc]', or set OTEL_EXPORTER_OTLP_PROTOCOL "
            f"to {HTTP}",
        ) from error
    return GrpcTransport


def _plugin(signal: str, name: str) -> Any:
    """An exporter of the SDK, or of what else is installed."""
    found = tuple(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        raise UsageError(
            f"there is no exporter {name!r} for {signal}",
            hint=f"set OTEL_{signal.upper()}_EXPORTER to otlp, console or none, or install it",
        )
    try:
        return found[0].load()()
    except Exception as error:
        raise UsageError(
            f"the exporter {name!r} for {signal} cannot be made: {type(error).__name__}",
            hint=f"check its variables, or set OTEL_{signal.upper()}_EXPORTER to otlp",
        ) from error
