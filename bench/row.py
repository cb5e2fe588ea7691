"""A row of the benchmark's table, how large it is run, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.rig import Rig


@dataclass(frozen=True)
class Scale:
    """How large: `share` of the full sizes, `rounds` turns of each run."""

    name: str
    share: float
    rounds: int

    @property
    def whole(self) -> bool:
        """Every case is run, not only the most telling ones."""
        return self.name != "quick"

    def count(self, full: int, least: int = 100) -> int:
        """So many of what would be `full`."""
        return min(full, max(least, int(full * self.share)))

    def seconds(self, full: float, least: float = 1.0) -> float:
        """So long in place of `full`; a tenth of the size is still a quarter of the time."""
        return float(min(full, max(least, full * self.share**0.6)))


SCALES: Final = {
    scale.name: scale
    for scale in (Scale("full", 1.0, 3), Scale("quick", 0.02, 1), Scale("tiny", 0.002, 1))
}


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        number: in the table.
        title: what is measured.
        measure: does it, on a rig that it leaves as it was.
        about: how, for the page.
    """

    number: int
    title: str
    measure: Callable[[Rig, Scale], Iterable[Figure]]
    about: str


@dataclass
class Result:
    """What came of a row.

    Attributes:
        skipped: why it, or the rest of it, was left out.
        machine: see `bench.machine.describe`.
        load: of the machine before and after, over a minute.
    """

    number: int
    title: str
    about: str
    scale: str
    machine: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    skipped: str = ""
    took_s: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)

    def as_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {**vars(self), "figures": [figure.as_json() for figure in self.figures]}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """The result of `as_json`."""
        figures = [Figure.from_json(each) for each in found["figures"]]
        return cls(**{**found, "figures": figures, "load": tuple(found["load"])})
