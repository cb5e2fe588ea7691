"""stdout carries data, stderr speaks to people. Tables and colours only on a terminal."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from cdc_triggers.app import document
from cdc_triggers.core import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_COLOURS = {
    "dead": "red",
    "parked": "yellow",
    "paused": "yellow",
    "pending": "cyan",
    "delivered": "green",
    "archived": "dim",
    "unmatched": "dim",
    "failed": "red",
    "interrupted": "yellow",
    "running": "cyan",
    "completed": "green",
}


def say(message: str) -> None:
    """Tell the person at the terminal something that is not data."""
    typer.echo(message, err=True)


def print_json(value: object) -> None:
    """One JSON document on stdout: named tuples as objects, times as ISO 8601 in UTC."""
    typer.echo(document.dumps(value, indent=True))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal; else aligned columns, two spaces apart, heads in the first line."""
    cells = [[show(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw_table(heads, cells)
        return
    lines = [[head.upper() for head in heads], *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def _draw_table(heads: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE  # noqa: PLC0415 - slow to load, and only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=SIMPLE, header_style="bold")
    for place, head in enumerate(heads):
        # The first column is what one copies: an id, a name.
        table.add_column(head, overflow="fold", no_wrap=place == 0)
    for row in cells:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console().print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other, values aligned."""
    pairs = [(name, show(value)) for name, value in fields]
    width = max((len(name) for name, _ in pairs), default=0) + 1
    for name, value in pairs:
        head = typer.style(f"{name}:".ljust(width), bold=True)
        typer.echo(f"{head} {value}".rstrip())


def show(value: object) -> str:
    """One value on one line; control characters, which an endpoint may send, escaped."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return document.iso(value)
    return "".join(_visible(character) for character in str(value))


def show_bytes(count: int | None) -> str:
    """A size for people: `1.5 MiB`."""
    if count is None:
        return "-"
    size, unit = units.scaled(count)
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def show_age(seconds: float | None) -> str:
    """A duration for people, two units at most: `3m 12s`."""
    if seconds is None:
        return "-"
    return " ".join(units.split(seconds))


def pretty_json(text: str | None) -> str:
    """JSON text indented for people, numbers digit by digit; odd text stays as it is."""
    if text is None:
        return "-"
    return "".join(c if c == "\n" else _visible(c) for c in document.pretty(text))


def _visible(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
