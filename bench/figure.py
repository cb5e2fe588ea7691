"""One figure of the benchmark: what was measured, beside what, and whether that is enough. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from bench import sample

if TYPE_CHECKING:
    from bench.sample import Sample

Unit = Literal["/s", "ms", "s", "MB", "%", "us"]


@dataclass(frozen=True)
class Goal:
    """What a figure should reach.

    Attributes:
        of: the ratio to the peer, or the figure itself.
        bound: its least or its most value.
    """

    of: Literal["ratio", "value"]
    bound: float
    most: bool = False

    def met(self, value: float) -> bool:
        """Whether that is good enough."""
        return value <= self.bound if self.most else value >= self.bound

    def text(self) -> str:
        """As people write it."""
        return f"{'≤' if self.most else '≥'} {self.bound:,g}"


def at_least(ratio: float) -> Goal:
    """A goal for the ratio."""
    return Goal("ratio", ratio)


@dataclass(frozen=True)
class Figure:
    """What runs of one thing gave, by turns with runs of its peer.

    Attributes:
        name: what was measured.
        ours: one value for each run.
        peers: one for each run, or none.
        peer: what those are.
        note: what else one has to know.
    """

    name: str
    unit: Unit
    ours: tuple[float, ...]
    peers: tuple[float, ...] = ()
    peer: str = ""
    goal: Goal | None = None
    note: str = ""

    @property
    def value(self) -> Sample:
        """Ours."""
        return sample.of(self.ours)

    @property
    def limit(self) -> Sample | None:
        """The peer's; None if there is none."""
        return sample.of(self.peers) if self.peers else None

    @property
    def ratio(self) -> Sample | None:
        """Ours through the peer's, taken within each turn; None if there is no peer."""
        return sample.of(sample.ratios(self.ours, self.peers)) if self.peers else None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal; None: there is no goal, or nothing to judge by."""
        if self.goal is None:
            return None
        judged = self.ratio if self.goal.of == "ratio" else self.value
        return None if judged is None else self.goal.met(judged.median)

    def as_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """The figure of `as_json`."""
        goal = None if found["goal"] is None else Goal(**found["goal"])
        several = {"ours": tuple(found["ours"]), "peers": tuple(found["peers"]), "goal": goal}
        return cls(**{**found, **several})
