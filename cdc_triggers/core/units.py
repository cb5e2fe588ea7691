"""Bytes and seconds in the units that people read; whoever shows them sets the spaces."""

from __future__ import annotations

from typing import Final

_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_AGES: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_BINARY: Final = 1024


def scaled(count: float) -> tuple[float, str]:
    """Bytes in the largest unit that there is one of: 1.5 and `MiB`."""
    amount, place = float(count), 0
    while abs(amount) >= _BINARY and place < len(_SIZES) - 1:
        amount, place = amount / _BINARY, place + 1
    return amount, _SIZES[place]


def split(seconds: float) -> list[str]:
    """A duration in whole seconds, its two largest units at most: `3m` and `12s`."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in _AGES:
        amount, left = divmod(left, length)
        if amount or (unit == "s" and not parts):
            parts.append(f"{amount}{unit}")
    return parts[:2]
