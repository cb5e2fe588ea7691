"""Metrics as text for Prometheus: its own format, or OpenMetrics, which has exemplars."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from cdc_triggers.telemetry.metrics import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cdc_triggers.core.meter import Exemplar, Histogram
    from cdc_triggers.telemetry.metrics import Family, Point

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def accepts_open_metrics(accept: str) -> bool:
    """True if a scraper asks for OpenMetrics."""
    return "application/openmetrics-text" in accept


def render(families: Iterable[Family], resource: Mapping[str, str], *, open_metrics: bool) -> str:
    """All of it, with what the process says of itself as `target_info`."""
    lines = list(_target(resource, open_metrics=open_metrics))
    for metric, points in families:
        name = metric.exposed
        # OpenMetrics calls a counter by its name without _total
        family = name.removesuffix("_total") if open_metrics else name
        lines.append(f"# HELP {family} {metric.help}")
        lines.append(f"# TYPE {family} {metric.kind}")
        for point in points:
            pairs = zip(metric.labels, point.labels, strict=True)
            labels = [f'{label}="{_escape(value)}"' for label, value in pairs]
            if metric.kind is Kind.HISTOGRAM:
                lines += _histogram(name, labels, point, exemplars=open_metrics)
            else:
                lines.append(f"{name}{_braces(labels)} {_number(point.value)}")  # type: ignore[arg-type]
    if open_metrics:
        lines.append("# EOF")
    return "\n".join([*lines, ""])


def _target(resource: Mapping[str, str], *, open_metrics: bool) -> Iterator[str]:
    family = "target" if open_metrics else "target_info"
    yield f"# HELP {family} What this process says of itself."
    yield f"# TYPE {family} {'info' if open_metrics else 'gauge'}"
    values: dict[str, list[str]] = {}
    for name, value in sorted(resource.items()):
        values.setdefault(_label(name), []).append(value)  # `a.b` and `a_b` are one label here
    labels = [f'{label}="{_escape(";".join(each))}"' for label, each in values.items()]
    yield f"target_info{_braces(labels)} 1"


def _histogram(name: str, labels: list[str], point: Point, *, exemplars: bool) -> Iterator[str]:
    histogram: Histogram = point.value  # type: ignore[assignment]
    ends = (*map(_number, histogram.bounds), "+Inf")
    for bucket, (end, count) in enumerate(zip(ends, accumulate(histogram.counts), strict=True)):
        upper = f'le="{end}"'
        line = f"{name}_bucket{_braces([*labels, upper])} {count}"
        found = histogram.exemplars.get(bucket) if exemplars else None
        yield line if found is None else line + _exemplar(found)
    yield f"{name}_sum{_braces(labels)} {_number(histogram.sum)}"
    yield f"{name}_count{_braces(labels)} {histogram.count}"


def _exemplar(found: Exemplar) -> str:
    ids = f'trace_id="{found.trace_id}",span_id="{found.span_id}"' if found.trace_id else ""
    return f" # {{{ids}}} {_number(found.value)} {found.at:.3f}"


def _braces(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escape(value: str) -> str:
    return value.translate(_ESCAPES)


def _label(name: str) -> str:
    label = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"_{label}" if label[:1].isdigit() else label


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
