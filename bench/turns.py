"""Runs of several things by turns, A B A B: what the machine does meanwhile, it does to all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def by_turns(rounds: int, runs: Mapping[str, Callable[[], float]]) -> dict[str, tuple[float, ...]]:
    """One value of each run in each round, in the order given."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1, rounds + 1):
        for name, run in runs.items():
            value = run()
            found[name].append(value)
            say(f"  {number}/{rounds} {name}: {value:,.2f}")
    return {name: tuple(values) for name, values in found.items()}


def say(text: str) -> None:
    """For whoever waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
