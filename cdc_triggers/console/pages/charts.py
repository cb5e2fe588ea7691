"""Charts as SVG, made here: a sparkline, and lines over time with axes.

The plot is stretched to the room there is, and what is written stands beside it as HTML: so a chart
is as sharp and its words as large on a phone as on a wide screen.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from cdc_triggers.console.pages import wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cdc_triggers.console.pages.history import Point

WIDTH = 600
HEIGHT = 100
_STEPS = (1, 2, 5, 10)
_LEAST = 2
_NOTHING = 1e-9
_MOST_POINTS = 300
_SAID_S = 10
_LONG_S = 120
_SPARKS = 1000
"""Sparklines that are kept: they change every ten seconds, and are asked for again until then."""

Unit = str
_UNITS: dict[Unit, Callable[[float], str]] = {
    "rate": lambda value: f"{wording.number(value)}/s",
    "bytes": wording.size,
    "bytes_s": lambda value: f"{wording.size(value)}/s",
    "seconds": wording.age,
    "number": wording.number,
}
_BINARY = {"bytes", "bytes_s"}
_BINARY_KILO = 1024.0


_CHART = Markup(
    '<figure class="chart" data-chart="{data}"><figcaption class="legend">{legend}</figcaption>'
    '<div class="y" aria-hidden="true"><span>{top}</span><span>{half}</span>'
    "<span>{zero}</span></div>"
    '<div class="plot"><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
    'role="img" aria-label="{label}">{body}</svg></div>'
    '<div class="x" aria-hidden="true"><span>{first}</span><span>{middle}</span>'
    "<span>now</span></div></figure>"
)


class Line(NamedTuple):
    """One line of a chart.

    Attributes:
        colour: a class of the style sheet: c1, c2, c3.
        filled: with the area below it.
    """

    name: str
    points: Sequence[Point]
    colour: str = "c1"
    filled: bool = False


@lru_cache(maxsize=_SPARKS)
def spark(points: tuple[Point, ...], label: str) -> Markup:
    """A rate as a line without axes, as wide as its place; `label` says what it is."""
    values = [p.value for p in points if p.value is not None]
    top = max(values, default=0.0) or 1.0
    say = _UNITS["rate"]
    last = say(values[-1]) if values else wording.NOTHING
    text = f"{label}: now {last}, at most {say(max(values, default=0.0))}"
    parts = _line(Line("", points, filled=True), top, digits=0)
    body = Markup("".join(parts))  # noqa: S704 - each of them is Markup
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, text, body)


def chart(
    label: str, lines: Sequence[Line], unit: Unit = "rate", limit: float | None = None
) -> Markup:
    """Lines over time with axes.

    Args:
        label: what it is; with the last values it becomes the accessible name.
        lines: all with points at the same times.
        unit: `rate`, `bytes`, `bytes_s`, `seconds` or `number`.
        limit: a value that must not be reached, drawn if it is near.
    """
    lines = [line._replace(points=_thinned(line.points)) for line in lines]
    say = _UNITS[unit]
    values = [p.value for line in lines for p in line.points if p.value is not None]
    highest = max(values, default=0.0)
    if limit is not None and highest > limit / 4:
        highest = max(highest, limit)
    top = _rounded(highest, _BINARY_KILO if unit in _BINARY else 1000.0)
    times = [p.at for p in lines[0].points] if lines else []
    parts = (part for line in lines for part in _line(line, top))
    body = Markup("".join([*_grid(), *parts, *_limit(limit, top)]))  # noqa: S704 - as above
    return _CHART.format(
        data=_data(lines, say),
        legend=_legend(lines, say),
        top=say(top),
        half=say(top / 2),
        zero=say(0.0),
        width=WIDTH,
        height=HEIGHT,
        label=_summary(label, lines, say),
        body=body,
        first=_back(times, 0),
        middle=_back(times, len(times) // 2),
    )


def _grid() -> Iterator[Markup]:
    for y in (0, HEIGHT // 2, HEIGHT):
        yield Markup('<line class="grid" x1="0" x2="{}" y1="{}" y2="{}"/>').format(WIDTH, y, y)


def _limit(limit: float | None, top: float) -> Iterator[Markup]:
    if limit is not None and limit <= top:
        y = round(HEIGHT * (1 - limit / top), 1)
        yield Markup('<line class="limit" x1="0" x2="{}" y1="{}" y2="{}"/>').format(WIDTH, y, y)


def _line(line: Line, top: float, digits: int = 1) -> Iterator[Markup]:
    """One path for each stretch without a gap; a value that stands alone is a dot."""
    for stretch in _stretches(line.points, top, digits):
        if len(stretch) == 1:
            ((x, y),) = stretch
            yield Markup('<path class="line dot {}" d="M{:g},{:g}h0"/>').format(line.colour, x, y)
            continue
        path = "M" + "L".join(f"{x:g},{y:g}" for x, y in stretch)
        if line.filled:
            area = f"{path}L{stretch[-1][0]:g},{HEIGHT}L{stretch[0][0]:g},{HEIGHT}Z"
            yield Markup('<path class="area {}" d="{}"/>').format(line.colour, area)
        yield Markup('<path class="line {}" d="{}"/>').format(line.colour, path)


def _stretches(
    points: Sequence[Point], top: float, digits: int
) -> Iterator[list[tuple[float, float]]]:
    step = WIDTH / max(1, len(points) - 1)
    stretch: list[tuple[float, float]] = []
    for number, point in enumerate(points):
        if point.value is None:
            if stretch:
                yield stretch
            stretch = []
        else:
            y = HEIGHT * (1 - min(point.value, top) / top)
            stretch.append((round(number * step, digits), round(y, digits)))
    if stretch:
        yield stretch


def _thinned(points: Sequence[Point]) -> list[Point]:
    """So many points as a screen can show; of those that share a place the highest is kept."""
    size = -(-len(points) // _MOST_POINTS)
    if size <= 1:
        return list(points)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [max(group, key=lambda p: -1.0 if p.value is None else p.value) for group in groups]


def _rounded(value: float, kilo: float) -> float:
    """A round number that is not below `value`: 1, 2, 5, 10 and so on, of bytes a power of two."""
    if value < _NOTHING:
        return 1.0
    if kilo == _BINARY_KILO:
        return 2.0 ** math.ceil(math.log2(max(value, kilo)))
    scale = 10.0 ** math.floor(math.log10(value))
    return next((scale * step for step in _STEPS if value <= scale * step), scale * 10)


def _last(line: Line) -> float | None:
    return next((p.value for p in reversed(line.points) if p.value is not None), None)


def _legend(lines: Sequence[Line], say: Callable[[float], str]) -> Markup:
    parts = []
    for line in lines:
        last = _last(line)
        value = wording.NOTHING if last is None else say(last)
        parts.append(
            Markup('<span class="key {}"><i aria-hidden="true"></i>{} <b>{}</b></span>').format(
                line.colour, line.name, value
            )
        )
    return Markup("").join(parts)


def _summary(label: str, lines: Sequence[Line], say: Callable[[float], str]) -> str:
    said = []
    for line in lines:
        values = [p.value for p in line.points if p.value is not None]
        if values:
            said.append(f"{line.name} now {say(values[-1])}, at most {say(max(values))}")
    return f"{label}: {'; '.join(said) or 'nothing was measured yet'}"


def _back(times: Sequence[float], place: int) -> str:
    """How long ago, as the axis says it."""
    if len(times) < _LEAST:
        return ""
    step = (times[-1] - times[0]) / (len(times) - 1)
    exact = times[-1] - times[place] + step
    unit = _SAID_S if exact < _LONG_S else _LONG_S / 4
    rounded = round(exact / unit) * unit
    return f"\N{MINUS SIGN}{wording.age(rounded)}"


def _data(lines: Sequence[Line], say: Callable[[float], str]) -> str:
    """For the pointer: what each line says at each time."""
    if not lines:
        return "[]"
    rows = []
    for number, point in enumerate(lines[0].points):
        values = [line.points[number].value for line in lines]
        said = [wording.NOTHING if value is None else say(value) for value in values]
        rows.append([int(point.at), *said])
    return json.dumps({"names": [line.name for line in lines], "rows": rows}, ensure_ascii=False)


GLOBALS = {"chart": chart, "spark": spark, "Line": Line, "escape": escape}
"""What templates may call."""
