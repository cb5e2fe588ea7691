"""`python -m bench.page FILE…`: the page of the benchmark, made of what runs have written.

Files may come from several runs: of a row the last file's counts.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import report, results_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.row import Result

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "benchmark.md"
_PARTS: Final = Path(__file__).with_name("parts")
_PIPE: Final = "|"


def page(
    results: Sequence[Result],
    plots: Sequence[tuple[str, str]],
    tried: str = "",
) -> str:
    """The whole text.

    Args:
        results: of the rows, in their order.
        plots: name and caption of each, in the folder `benchmark` beside the page.
        tried: the section about what was tried, if there is one.
    """
    parts = [(_PARTS / "header.md").read_text("utf-8").rstrip(), *_machines(results)]
    parts += ["## Summary", "\n".join(_summary(results))]
    parts += [f"![{caption}](benchmark/{name}.svg)" for name, caption in plots]
    for result in results:
        parts += _row(result)
    if tried:
        parts.append(tried.strip())
    return "\n\n".join(parts) + "\n"


def _machines(results: Iterable[Result]) -> Iterator[str]:
    """Each machine and its versions once, with its rows if there are several."""
    rows: dict[str, list[str]] = {}
    for result in results:
        text = "\n\n".join(report.described(result.machine))
        rows.setdefault(text, []).append(str(result.number))
    for text, numbers in rows.items():
        yield f"Rows {', '.join(numbers)}: {text}" if len(rows) > 1 else text


def _summary(results: Iterable[Result]) -> Iterator[str]:
    yield "| # | what | goals |"
    yield "|---|---|---|"
    for result in results:
        yield f"| {result.number} | {result.title} | {report.verdict(result)} |"


def _row(result: Result) -> Iterator[str]:
    yield f"## {result.number}. {result.title}"
    yield result.about
    if result.figures:
        lines = [f"| {' | '.join(report.COLUMNS)} |", "|---" * len(report.COLUMNS) + "|"]
        for figure in result.figures:
            cells = (cell.replace(_PIPE, "\\|") for cell in report.cells(figure))
            lines.append(f"| {' | '.join(cells)} |")
        yield "\n".join(lines)
    rounds = max((len(figure.ours) for figure in result.figures), default=0)
    before, after = result.load
    yield (
        f"Runs of each by turns: {rounds}; scale `{result.scale}`; load of the machine "
        f"{before:.1f} before, {after:.1f} after; took {result.took_s:.0f} s."
    )
    if result.skipped:
        yield f"Left out: {result.skipped}"


def main() -> None:
    """Read the files, draw, and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what `python -m bench --json` wrote")
    parser.add_argument("--output", type=Path, default=TARGET, help="default: the documentation's")
    asked = parser.parse_args()
    from bench import plots  # noqa: PLC0415 - needs matplotlib, which only this needs

    results = results_file.read(asked.files)
    drawn = plots.draw(results, asked.output.parent / "benchmark")
    tried = _PARTS / "tried.md"
    text = tried.read_text("utf-8") if tried.exists() else ""
    asked.output.write_text(page(results, drawn, text), "utf-8")


if __name__ == "__main__":
    main()
