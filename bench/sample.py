"""Numbers of several runs, made into one: pure."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Sample(NamedTuple):
    """The median of some runs, and the least and the most of them."""

    median: float
    low: float
    high: float


def of(values: Iterable[float]) -> Sample:
    """Of at least one value.

    Raises:
        ValueError: there is none.
    """
    found = list(values)
    if not found:
        raise ValueError("nothing was measured")
    return Sample(statistics.median(found), min(found), max(found))


def ratios(ours: Sequence[float], peers: Sequence[float]) -> list[float]:
    """One ratio for each pair of neighbouring runs.

    Raises:
        ValueError: not as many of the one as of the other.
    """
    return [own / peer if peer else math.inf for own, peer in zip(ours, peers, strict=True)]


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that this share of all does not exceed; `share` is above 0, at most 1.

    Raises:
        ValueError: there is none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[math.ceil(share * len(ordered)) - 1]
