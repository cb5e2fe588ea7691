"""Figures as people read them: in a terminal, and in the cells of the page. Pure but for `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from bench.figure import Figure
    from bench.row import Result
    from bench.sample import Sample

COLUMNS: Final = ("figure", "ours", "beside", "ratio", "goal", "result")
_VERDICTS: Final = {True: "met", False: "missed", None: ""}
_LARGE, _MIDDLE, _SMALL = 100, 10, 0.1


def cells(figure: Figure) -> tuple[str, ...]:
    """One text for each of COLUMNS."""
    limit, ratio, goal = figure.limit, figure.ratio, figure.goal
    name = figure.name + (f" ({figure.note})" if figure.note else "")
    return (
        name,
        with_spread(figure.value, figure.unit),
        f"{with_spread(limit, figure.unit)}: {figure.peer}" if limit else "",
        with_spread(ratio) if ratio else "",
        "" if goal is None else ("ratio " if goal.of == "ratio" else "") + goal.text(),
        _VERDICTS[figure.met],
    )


def line(figure: Figure) -> str:
    """All of it in one line."""
    return " | ".join(cell for cell in cells(figure) if cell)


def with_spread(found: Sample, unit: str = "") -> str:
    """The median, and from where to where the runs went if there were several."""
    middle = number(found.median) + (unit if unit.startswith("/") else f" {unit}" if unit else "")
    if found.low == found.high:
        return middle
    return f"{middle} ({number(found.low)} to {number(found.high)})"


def number(value: float) -> str:
    """With as many digits as mean something."""
    size = abs(value)
    digits = 0 if size >= _LARGE else 1 if size >= _MIDDLE else 2 if size >= _SMALL else 3
    return f"{value:,.{digits}f}"


def verdict(result: Result) -> str:
    """Of all the row's goals: all met, or how many were missed."""
    judged = [figure.met for figure in result.figures if figure.met is not None]
    if not judged:
        return "not measured" if result.skipped else "no goal"
    missed = judged.count(False)
    return f"missed {missed} of {len(judged)}" if missed else "met"


def described(machine: Mapping[str, Any]) -> Iterator[str]:
    """Lines about the machine and its versions."""
    yield (
        f"{machine['processor']}, {machine['cpus']} CPUs, {machine['memory_gib']} GiB of memory, "
        f"Linux {machine['kernel']}; measured on {machine['date']}"
    )
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())


def show(console: Console, machine: Mapping[str, Any], results: Sequence[Result]) -> None:
    """Print all."""
    for text in described(machine):
        console.print(text, highlight=False)
    for result in results:
        title = f"{result.number}. {result.title}: {verdict(result)}"
        table = Table(*COLUMNS, title=title, title_justify="left", box=None)
        for figure in result.figures:
            table.add_row(*cells(figure))
        console.print(table)
        load = f"load before and after: {result.load[0]:.1f}, {result.load[1]:.1f}"
        console.print(f"{load}; took {result.took_s:.0f} s; scale {result.scale}", style="dim")
        if result.skipped:
            console.print(f"left out: {result.skipped}", style="yellow")
