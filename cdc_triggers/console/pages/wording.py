"""How values are written on a page: ages, sizes, numbers, times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cdc_triggers.app import document
from cdc_triggers.core import units

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = "\N{EN DASH}"
"""Stands for a value that there is none of."""

_TEN = 10
_KILO = 1000


def number(value: float | None) -> str:
    """12 345; what is below ten has a digit after the point, below one two."""
    if value is None:
        return NOTHING
    if isinstance(value, float) and not value.is_integer() and abs(value) < _TEN:
        return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count(value: int | None, most: int | None = None) -> str:
    """A number that was counted only up to `most`."""
    if value is not None and most is not None and value > most:
        return f"{number(most)}+"
    return number(value)


def size(value: float | None) -> str:
    """1.4 MiB, in the units of the command line."""
    if value is None:
        return NOTHING
    amount, unit = units.scaled(value)
    digits = 0 if unit == "B" or amount.is_integer() else 1
    return f"{amount:.{digits}f}\N{NO-BREAK SPACE}{unit}"


def age(seconds: float | None) -> str:
    """3m 12s, as on the command line; below ten seconds 1.2s, below one 45ms, below 10ms 2.5ms."""
    if seconds is None:
        return NOTHING
    seconds = max(0.0, float(seconds))
    if 0 < seconds < 1:
        milliseconds = max(0.1, seconds * _KILO)
        digits = 1 if milliseconds < _TEN else 0
        return f"{milliseconds:.{digits}f}".removesuffix(".0") + "ms"
    if seconds < _TEN:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    return "\N{NO-BREAK SPACE}".join(units.split(seconds))


def duration(milliseconds: float | None) -> str:
    """1.2ms; 340ms; 2.5s."""
    if milliseconds is None:
        return NOTHING
    if milliseconds >= _KILO:
        return age(milliseconds / 1000)
    digits = 1 if milliseconds < _TEN else 0
    return f"{milliseconds:.{digits}f}ms"


def at(time: datetime | None) -> str:
    """2026-11-24 14:22:05 UTC."""
    return NOTHING if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(time: datetime | None) -> str:
    """14:22:05.123, in UTC."""
    if time is None:
        return NOTHING
    time = time.astimezone(UTC)
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}"


def iso(time: datetime) -> str:
    """For the datetime attribute of `time`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def ago(time: datetime | None, now: datetime) -> str:
    """3 min ago; in 20 s; just now."""
    if time is None:
        return NOTHING
    seconds = (now - time).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"in {age(-seconds)}" if seconds < 0 else f"{age(seconds)} ago"


def percent(share: float | None) -> str:
    """99.9 %; it never says 100 for what is less."""
    if share is None:
        return NOTHING
    tenths = int(share * 1000)
    text = f"{tenths // 10}" if tenths % 10 == 0 else f"{tenths / 10:.1f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def pretty(text: str | None) -> str:
    """JSON text indented for people; numbers keep their digits."""
    return "null" if text is None else document.pretty(text)


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "count": count,
    "size": size,
    "age": age,
    "duration": duration,
    "at": at,
    "clock": clock,
    "iso": iso,
    "ago": ago,
    "percent": percent,
    "pretty": pretty,
}
"""What templates may write behind a bar."""
