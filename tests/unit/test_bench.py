"""The benchmark's pure parts: numbers, goals, results, the page."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encoders import pgoutput_of, relation

from bench import page, report, results_file, sample, wire
from bench.__main__ import result_of
from bench.commits import percentiles, waits_ms
from bench.errors import BenchError, MissingError
from bench.figure import Figure, Goal, at_least
from bench.row import SCALES, Result, Row
from bench.rows.catalog import ROWS
from cdc_triggers.core.messages import LogRow
from cdc_triggers.testing import log_row, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MACHINE: dict[str, Any] = {
    "date": "2026-01-31",
    "processor": "A processor",
    "cpus": 2,
    "memory_gib": 24,
    "kernel": "6.1",
    "versions": {"PostgreSQL": "15.1", "wrk": "4.1.0"},
}
VALUES = st.floats(min_value=1e-3, max_value=1e9)


def result(number: int, *figures: Figure, skipped: str = "") -> Result:
    row = Result(number, f"title {number}", "how it is done", "full", MACHINE)
    row.figures, row.skipped, row.took_s, row.load = list(figures), skipped, 12.0, (0.5, 1.25)
    return row


@given(st.lists(VALUES, min_size=1))
def test_the_median_lies_between_the_least_and_the_most(values: list[float]) -> None:
    found = sample.of(values)
    assert found.low <= found.median <= found.high
    assert {found.low, found.high} <= set(values)


@given(st.lists(VALUES, min_size=1), st.floats(min_value=0.01, max_value=1))
def test_a_percentile_is_the_least_value_that_covers_its_share(
    values: list[float], share: float
) -> None:
    found = sample.percentile(values, share)
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_a_ratio_is_taken_within_each_turn_and_not_between_medians() -> None:
    figure = Figure("f", "/s", (10.0, 200.0, 30.0), (20.0, 100.0, 30.0), "peer", at_least(0.9))
    assert sample.ratios(figure.ours, figure.peers) == [0.5, 2.0, 1.0]
    assert figure.ratio == sample.Sample(1.0, 0.5, 2.0)
    assert figure.met


def test_nothing_measured_and_runs_without_their_peer_are_errors() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        sample.of([])
    with pytest.raises(ValueError, match="nothing was measured"):
        sample.percentile([], 0.5)
    with pytest.raises(ValueError, match="zip"):
        sample.ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (None, None),
        (at_least(0.5), True),
        (at_least(0.51), False),
        (Goal("ratio", 0.5, most=True), True),
        (Goal("ratio", 0.49, most=True), False),
        (Goal("value", 10), True),
        (Goal("value", 10.1), False),
        (Goal("value", 9.9, most=True), False),
    ],
)
def test_a_goal_is_judged_by_the_median_of_what_it_is_of(
    goal: Goal | None, *, met: bool | None
) -> None:
    assert Figure("f", "ms", (1.0, 10.0, 99.0), (2.0, 20.0, 198.0), "p", goal).met is met


def test_a_ratio_without_a_peer_is_not_judged() -> None:
    assert Figure("f", "/s", (1.0,), goal=at_least(1)).met is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (45.67, "45.7"), (1.234, "1.23"), (0.0123, "0.012"), (0.0, "0.000")],
)
def test_a_number_has_the_digits_that_mean_something(value: float, text: str) -> None:
    assert report.number(value) == text


def test_a_row_says_how_many_of_its_goals_it_missed() -> None:
    met, missed = (Figure("f", "/s", (1.0,), (1.0,), "p", at_least(n)) for n in (1, 2))
    plain = Figure("f", "/s", (1.0,))
    assert report.verdict(result(1, met, plain)) == "met"
    assert report.verdict(result(1, met, missed)) == "missed 1 of 2"
    assert report.verdict(result(1, plain)) == "no goal"
    assert report.verdict(result(1, skipped="no Java")) == "not measured"


def test_results_survive_the_file_and_the_last_of_a_row_counts(tmp_path: Path) -> None:
    old, new = tmp_path / "kept" / "old.json", tmp_path / "new.json"
    figure = Figure("f", "/s", (1.0, 2.0), (3.0, 4.0), "p", Goal("value", 1, most=True), "note")
    results_file.add(old, result(3, figure))
    results_file.add(old, result(1))
    results_file.add(old, result(3, figure, skipped="half of it"))
    results_file.add(new, result(1, figure))
    assert results_file.read([old]) == [result(1), result(3, figure, skipped="half of it")]
    assert results_file.read([old, new])[0] == result(1, figure)


def test_the_page_has_every_figure_with_spread_goal_and_verdict() -> None:
    figure = Figure("a | b", "/s", (90.0, 110.0), (100.0, 100.0), "wrk", at_least(0.9), "note")
    text = page.page([result(3, figure), result(12, skipped="no Java")], [("goals", "All")])
    assert "A processor, 2 CPUs, 24 GiB of memory, Linux 6.1; measured on 2026-01-31" in text
    assert text.count("PostgreSQL 15.1, wrk 4.1.0") == 1
    assert "| 3 | title 3 | met |" in text
    assert "| 12 | title 12 | not measured |" in text
    cells = "100/s (90.0 to 110) | 100/s: wrk | 1.00 (0.90 to 1.10) | ratio ≥ 0.9 | met |"
    assert f"| a \\| b (note) | {cells}" in text
    assert "![All](benchmark/goals.svg)" in text
    assert "load of the machine 0.5 before, 1.2 after; took 12 s." in text
    assert "Left out: no Java" in text
    assert "tried" not in text
    assert page.page([], [], "## What was tried\n").endswith("\n\n## What was tried\n")


def test_runs_of_several_machines_say_which_rows_are_whose() -> None:
    other = result(2)
    other.machine = {**MACHINE, "processor": "Another"}
    text = page.page([result(1), other], [])
    assert "Rows 1: A processor" in text
    assert "Rows 2: Another" in text


def test_a_row_that_misses_its_peer_keeps_what_it_has_and_says_why() -> None:
    figure = Figure("f", "/s", (1.0,))

    def without(_rig: object, _scale: object) -> Iterator[Figure]:
        yield figure
        raise MissingError("no Java")

    def broken(_rig: object, _scale: object) -> Iterator[Figure]:
        yield figure
        raise BenchError("it stalled")

    for measure, said in ((without, "no Java"), (broken, "it broke: it stalled")):
        row = Row(1, "title", measure, "about")
        found = result_of(row, None, SCALES["tiny"])  # type: ignore[arg-type]
        assert (found.figures, found.skipped) == ([figure], said)


def test_the_rows_are_numbered_as_in_the_table_and_described() -> None:
    assert [row.number for row in ROWS] == list(range(1, 13))
    assert all(row.title and row.about.endswith(".") for row in ROWS)


def test_a_smaller_scale_is_never_larger_and_never_below_its_least() -> None:
    for scale in SCALES.values():
        assert 10 <= scale.count(1_000, 10) <= 1_000
        assert scale.count(5, 10) == 5
        assert 1.0 <= scale.seconds(60) <= 60
    assert SCALES["full"].count(1_000_000) == 1_000_000
    assert SCALES["full"].seconds(60) == 60


@given(st.lists(st.integers(1, 200), min_size=1, max_size=200))
def test_commits_are_found_however_the_output_is_cut(sizes: list[int]) -> None:
    payloads = [relation(LogRow._fields)]
    for number in range(1, 6):
        row = log_row(f"event-{number}", new=b'{"C": "\nB\n"}')
        payloads += map(pgoutput_of, transaction(number * 100, [row, row], number))
    written = b"".join(payload + b"\n" for payload in payloads)
    parser, found, at = wire.Commits(), [], 0
    for size in itertools.cycle(sizes):
        found += parser.feed(written[at : at + size])
        at += size
        if at >= len(written):
            break
    assert found == pytest.approx([number * 100 / 1e6 for number in range(1, 6)], abs=1e-6)


def test_what_is_not_pgoutput_is_refused() -> None:
    begin, commit = map(pgoutput_of, transaction(1, []))
    assert wire.Commits().feed(begin + b"\n") == []
    assert len(wire.Commits().feed(begin + b"\n" + commit + b"\n")) == 1
    with pytest.raises(ValueError, match="kind b'x'"):
        wire.Commits().feed(b"xyz")


def test_waits_are_of_every_committed_event() -> None:
    assert waits_ms({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 2.25, "c": 9.0}) == [500.0, 250.0]
    with pytest.raises(KeyError):
        waits_ms({"a": 1.0}, {})
    assert percentiles(range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99, "max": 100}


def test_a_result_is_plain_json() -> None:
    figure = Figure("f", "/s", (1.0,), (3.0,), "p", at_least(2))
    assert Result.from_json(json.loads(json.dumps(result(1, figure).as_json()))) == result(
        1, figure
    )
