"""The table of metrics, what the text for Prometheus says, and what an SDK's exporter is given."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource
from support.servers import MissingError, missing

from cdc_triggers.app.watch import Watch
from cdc_triggers.core.figures import DatabaseFigures, SlotFigures, TriggerFigures
from cdc_triggers.core.meter import OTHER, SECONDS, TRIGGERS, Exemplar, Histogram
from cdc_triggers.telemetry import prometheus
from cdc_triggers.telemetry.exports import Exports
from cdc_triggers.telemetry.metric_export import Shape
from cdc_triggers.telemetry.metrics import METRICS, Family, Kind, Point
from cdc_triggers.telemetry.snapshot import Snapshots
from cdc_triggers.testing import ManualClock

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
ROW = r"^\| `([^`]+)` \| `([^`]+)` \| (\w+) \| `([^`]*)` \| ([^|]*) \| ([^|]+) \|$"
HEAD = "| at `/metrics` | over OTLP | type | unit | labels | meaning |\n|---|---|---|---|---|---|\n"
RESOURCE = {"service.name": "cdc-triggers"}


class Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


def snapshots(triggers: int = 1) -> Snapshots:
    clock = ManualClock()
    watch = Watch(clock, Facts())
    for number in range(triggers):
        meter = watch.meter.of(f"t{number}")
        meter.delivered += 1
        meter.attempts["2xx"] = 1
        meter.parked["failed"] = 2
        meter.delivered_in.add(0.2)
    slot = SlotFigures(True, 1, 2, 3, "reserved", 4, 5, 6, 0.5)  # noqa: FBT003
    rows = tuple(TriggerFigures(f"t{n}", False, 1, 1, 2.5) for n in range(triggers))  # noqa: FBT003
    figures = DatabaseFigures(clock.monotonic(), slot, rows)
    return Snapshots(watch, lambda: figures, [Exports("traces", Facts())], clock)


def test_the_table_has_every_metric_and_no_other() -> None:
    written = re.findall(ROW, PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert HEAD in PAGE.read_text("utf-8")
    expected = [
        (m.exposed, m.name, m.kind.value, m.unit, ", ".join(f"`{n}`" for n in m.labels), m.help)
        for m in METRICS
    ]
    assert sorted(written) == sorted(expected)


@pytest.mark.parametrize("open_metrics", [False, True])
def test_the_text_has_the_help_and_type_of_every_metric(*, open_metrics: bool) -> None:
    text = prometheus.render(snapshots().take(), RESOURCE, open_metrics=open_metrics)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))
    total = "_total" if open_metrics else ""
    expected = {m.exposed.removesuffix(total): m.kind.value for m in METRICS}
    target = {"target": "info"} if open_metrics else {"target_info": "gauge"}
    assert types == expected | target
    assert text.endswith("# EOF\n") == open_metrics


def test_promtool_finds_nothing_to_complain_of() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        raise missing(MissingError("no promtool: install Debian's package prometheus"))
    text = prometheus.render(snapshots().take(), RESOURCE, open_metrics=False)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    complaints = [line for line in done.stderr.decode().splitlines() if "target_info" not in line]
    assert (complaints, done.stdout) == ([], b"")


def test_labels_stay_bounded_whatever_the_number_of_triggers() -> None:
    families = snapshots(TRIGGERS + 50).take()
    for family in families:
        names = {point.labels[0] for point in family.points if "trigger" in family.metric.labels}
        assert len(names) <= TRIGGERS + 1
    text = prometheus.render(families, {}, open_metrics=False)
    assert f'cdc_triggers_dead{{trigger="{OTHER}"}} 50\n' in text
    assert f'cdc_triggers_deliveries_delivered_total{{trigger="{OTHER}"}} 50\n' in text


def test_a_trigger_with_the_name_that_many_share_is_counted_with_them() -> None:
    found = snapshots(TRIGGERS + 5)
    figures = found._figures()
    assert figures is not None
    [_, *rows] = figures.triggers
    rows.insert(0, TriggerFigures(OTHER, False, 1, 1, 2.5))  # noqa: FBT003
    found._figures = lambda: figures._replace(triggers=tuple(rows))
    text = prometheus.render(found.take(), {}, open_metrics=False)
    series = [line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(set(series)) == len(series)
    assert f'cdc_triggers_dead{{trigger="{OTHER}"}} 6\n' in text


@given(st.lists(st.floats(0, 1e6)), st.text())
def test_buckets_add_up_and_values_are_escaped(values: list[float], label: str) -> None:
    histogram = Histogram(SECONDS)
    for value in values:
        histogram.add(value)
    metric = next(m for m in METRICS if m.kind is Kind.HISTOGRAM and m.labels == ("trigger",))
    text = prometheus.render([Family(metric, [_point(label, histogram)])], {}, open_metrics=False)
    pattern = rf'^{metric.exposed}_bucket\{{trigger=".*",le="([^"]+)"\}} (\d+)$'
    buckets = re.findall(pattern, text, flags=re.MULTILINE)
    assert [float(end) for end, _ in buckets] == [*SECONDS, float("inf")]
    for end, count in buckets:
        assert int(count) == sum(value <= float(end) for value in values)


@given(st.dictionaries(st.text(min_size=1), st.text()))
@example({"service.name": "a", "service_name": "b"})
@example({"1zone": "a"})
def test_target_has_labels_that_a_scraper_takes_whatever_the_resource_says(
    said: dict[str, str],
) -> None:
    text = prometheus.render([], said, open_metrics=True)
    line = next(line for line in text.split("\n") if line.startswith("target_info"))
    inner = line.removeprefix("target_info").removesuffix(" 1")
    label = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"'
    found = re.findall(label, inner)
    pairs = ",".join(f'{name}="{value}"' for name, value in found)
    assert inner == (f"{{{pairs}}}" if found else "")
    assert len({name for name, _ in found}) == len(found) <= len(said)


def _point(label: str, value: Any) -> Any:
    return Point((label,), value)


def test_exemplars_lead_to_traces_in_open_metrics_and_over_otlp() -> None:
    found = snapshots()
    families = found.take()
    metric = next(f for f in families if f.metric.name.endswith("latency.delivered"))
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    histogram = metric.points[0].value
    assert isinstance(histogram, Histogram)
    histogram.exemplars[histogram.add(0.2)] = Exemplar(0.2, 1_700_000_000.5, trace, span)
    text = prometheus.render([metric], {}, open_metrics=True)
    assert f'# {{trace_id="{trace}",span_id="{span}"}} 0.2 1700000000.500' in text
    assert "trace_id" not in prometheus.render([metric], {}, open_metrics=False)
    data = Shape(Resource({}), ("name", "1")).data([metric], 5)
    [point] = (
        encode_metrics(data).resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points
    )
    assert [e.trace_id.hex() for e in point.exemplars] == [trace]


def test_delta_temporality_sends_what_was_added_since_the_last_batch() -> None:
    found = snapshots()
    shape = Shape(Resource({}), ("name", "1"), delta=True)

    def delivered() -> tuple[int, int]:
        data = encode_metrics(shape.data(found.take(), 5))
        by_name = {m.name: m for m in data.resource_metrics[0].scope_metrics[0].metrics}
        count = by_name["cdc_triggers.deliveries.delivered"].sum
        latency = by_name["cdc_triggers.event.latency.delivered"].histogram
        assert count.aggregation_temporality == latency.aggregation_temporality == 1
        return count.data_points[0].as_int, latency.data_points[0].count

    assert delivered() == (1, 1)
    meter = found._watch.meter.of("t0")
    meter.delivered += 2
    meter.delivered_in.add(1.0)
    assert delivered() == (2, 1)
    assert delivered() == (0, 0)


def test_delta_of_a_count_that_the_database_keeps_begins_with_what_is_added() -> None:
    found, shape = snapshots(), Shape(Resource({}), ("name", "1"), delta=True)
    before = found._figures()
    assert before is not None
    assert before.slot is not None

    def takeovers(count: int) -> int:
        assert before.slot is not None
        slot = before.slot._replace(takeovers=count)
        found._figures = lambda: before._replace(slot=slot)
        data = encode_metrics(shape.data(found.take(), 5))
        by_name = {m.name: m for m in data.resource_metrics[0].scope_metrics[0].metrics}
        [point] = by_name["cdc_triggers.stream.takeovers"].sum.data_points
        return int(point.as_int)

    # the last two: the row of the stream was made anew
    assert [takeovers(count) for count in (57, 57, 59, 1, 2)] == [0, 0, 2, 1, 1]


def test_delta_of_a_histogram_has_no_exemplar_and_no_extreme_of_another_time() -> None:
    metric = next(m for m in METRICS if m.kind is Kind.HISTOGRAM and m.labels == ("trigger",))
    histogram, shape = Histogram(SECONDS), Shape(Resource({}), ("name", "1"), delta=True)
    start = shape._start_ns

    def exported(value: float | None, at_ns: int) -> Any:
        if value is not None:
            bucket = histogram.add(value)
            histogram.exemplars[bucket] = Exemplar(value, (at_ns - 10**9) / 1e9, "1" * 32, "2" * 16)
        data = encode_metrics(shape.data([Family(metric, [_point("t", histogram)])], at_ns))
        [sent] = data.resource_metrics[0].scope_metrics[0].metrics
        [point] = sent.histogram.data_points
        assert not point.HasField("min") or point.min >= (value or 0.0)
        assert not point.HasField("max") or point.max <= (value or 0.0)
        return point

    for number, value in enumerate((5_000.0, 0.2, None), 1):
        point = exported(value, start + number * 60 * 10**9)
        assert point.count == (value is not None)
        assert [each.as_double for each in point.exemplars] == ([] if value is None else [value])
