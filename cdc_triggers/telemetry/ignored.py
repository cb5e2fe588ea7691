"""Variables of OpenTelemetry that are set, and that nothing here obeys: said once, at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.telemetry.limits import WITHOUT_MEANING
from cdc_triggers.telemetry.variables import HISTOGRAMS, SIGNALS, choice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KINDS = ("", *(f"{signal.upper()}_" for signal in SIGNALS))
OTLP = (
    *("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "INSECURE"),
    *("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"),
)
BATCHES = ("MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "SCHEDULE_DELAY", "EXPORT_TIMEOUT")
LIMITS = ("COUNT_LIMIT", "VALUE_LENGTH_LIMIT")

AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"

OBEYED = frozenset(
    {
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_PROPAGATORS",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        *(f"OTEL_{signal.upper()}_EXPORTER" for signal in SIGNALS),
        *(f"OTEL_EXPORTER_OTLP_{kind}{name}" for kind in KINDS for name in OTLP),
        *(f"OTEL_{kind}_{name}" for kind in ("BSP", "BLRP") for name in BATCHES),
        *(f"OTEL_{k}ATTRIBUTE_{name}" for k in ("", "SPAN_", "LOGRECORD_") for name in LIMITS),
        "OTEL_SPAN_LINK_COUNT_LIMIT",
        *WITHOUT_MEANING,
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        AGGREGATION,
    }
)


def ignored(environ: Mapping[str, str], plugins: Iterable[str]) -> tuple[str, ...]:
    """Their names, in order; those of plugins' exporters are not among them.

    Args:
        environ: all variables.
        plugins: names of exporters that are on.

    Raises:
        UsageError: the aggregation of histograms is none that there is.
    """
    theirs = tuple(f"OTEL_EXPORTER_{name.upper()}_" for name in plugins if name != "otlp")
    found = {
        name
        for name, value in environ.items()
        if name.startswith("OTEL_")
        and value.strip()
        and name not in OBEYED
        and not (theirs and name.startswith(theirs))
    }
    if choice(environ, AGGREGATION, HISTOGRAMS) != HISTOGRAMS[0]:
        found.add(AGGREGATION)  # their buckets are fixed: see core.meter
    return tuple(sorted(found))
