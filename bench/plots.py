"""Plots of the page: SVG that can be read on light and on dark, without black or white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from bench import sample
from bench.commits import SHARES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.row import Result
    from bench.sample import Sample

INK: Final = "#7a828c"
GRID: Final = "#7a828c40"
OURS: Final = "#2f81d6"
PEER: Final = "#d9822b"
MISSED: Final = "#d1495b"
_STYLE: Final[dict[str, object]] = {
    "font.size": 10,
    "svg.hashsalt": "bench",
    "svg.fonttype": "path",
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "legend.frameon": False,
}
_LATENCY: Final = 7
_WIDTH: Final = 8.0


def draw(results: Sequence[Result], folder: Path) -> list[tuple[str, str]]:
    """Write the plots that can be made of these results; name and caption of each."""
    folder.mkdir(parents=True, exist_ok=True)
    made: list[tuple[str, str]] = []
    with mpl.rc_context(_STYLE):
        for name, caption, canvas in (
            ("goals", "Every goal for a ratio: how far the median is from it", _goals(results)),
            ("rates", "Events per second beside the limit or the peer", _rates(results)),
            ("latency", "From commit to 2xx, by rate of writing", _latency(results)),
        ):
            if canvas is None:
                continue
            canvas.savefig(
                folder / f"{name}.svg",
                transparent=True,
                metadata={"Date": None},
                bbox_inches="tight",
            )
            made.append((name, caption))
    return made


def _goals(results: Iterable[Result]) -> Canvas | None:
    """Bars of ratio / goal: at 1 the goal is met, on a scale where half and double are as far."""
    bars: list[tuple[str, float, bool]] = []
    for result in results:
        for figure in result.figures:
            if figure.goal is None or figure.ratio is None or figure.goal.of != "ratio":
                continue
            share = figure.ratio.median / figure.goal.bound
            share = 1 / share if figure.goal.most else share
            bars.append(
                (f"{result.number}  {figure.name}, of {figure.peer}", share, bool(figure.met))
            )
    if not bars:
        return None
    canvas, axes = _axes(0.27 * len(bars) + 0.8)
    places = range(len(bars))
    colours = [OURS if met else MISSED for _, _, met in bars]
    # from 1, to the right if it is met
    axes.barh(places, [share - 1 for _, share, _ in bars], left=1, color=colours, height=0.7)
    axes.set_xscale("log", base=2)
    axes.axvline(1, color=INK, linewidth=1)
    ticks = (0.125, 0.25, 0.5, 1, 2, 4, 8)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(places, [name for name, _, _ in bars])
    axes.invert_yaxis()
    axes.set_xlabel("ratio / goal: at 1 it is met, red is missed")
    axes.grid(axis="x")
    return canvas


def _rates(results: Iterable[Result]) -> Canvas | None:
    """Pairs of bars of rows 2, 3 and 12."""
    pairs = [
        (f"{result.number}  {figure.name}", figure)
        for result in results
        if result.number in (2, 3, 12)
        for figure in result.figures
        if figure.peers and figure.unit == "/s"
    ]
    if not pairs:
        return None
    canvas, axes = _axes(0.75 * len(pairs) + 0.8)
    for place, (_, figure) in enumerate(pairs):
        _bar(axes, place - 0.2, figure.value, OURS, "this program")
        _bar(axes, place + 0.2, sample.of(figure.peers), PEER, figure.peer)
    axes.set_yticks(range(len(pairs)), [name for name, _ in pairs])
    axes.invert_yaxis()
    axes.set_xlabel("events per second (the line: from the slowest run to the fastest)")
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(0, axes.get_xlim()[1] * 1.25)  # the names stand right of the bars
    return canvas


def _bar(axes: Axes, place: float, found: Sample, colour: str, name: str) -> None:
    spread = [[found.median - found.low], [found.high - found.median]]
    axes.barh(place, found.median, height=0.36, color=colour, xerr=spread, ecolor=INK)
    axes.text(found.high, place, f"  {found.median:,.0f}  {name}", va="center", fontsize=9)


def _latency(results: Iterable[Result]) -> Canvas | None:
    """A line for each percentile over the rates, ours whole, the peer's dashed."""
    figures = [f for result in results if result.number == _LATENCY for f in result.figures]
    if not figures:
        return None
    canvas, axes = _axes(4.2)
    rates = list(dict.fromkeys(figure.name.partition("/s")[0] for figure in figures))
    shades = dict(zip(SHARES, (1.0, 0.8, 0.6, 0.4), strict=True))
    for share, alpha in shades.items():
        named = [figure for figure in figures if figure.name.endswith(f", {share}")]
        ours = [figure.value.median for figure in named]
        peers = [limit.median for figure in named if (limit := figure.limit) is not None]
        axes.plot(rates, ours, "o-", color=OURS, alpha=alpha, label=f"{share}, commit to 2xx")
        axes.plot(rates, peers, "s--", color=PEER, alpha=alpha, label=f"{share}, pg_recvlogical")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("ms")
    axes.set_xlabel("transactions per second")
    axes.grid(axis="y")
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return canvas


def _axes(height: float) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(_WIDTH, height))
    return canvas, canvas.add_subplot()
