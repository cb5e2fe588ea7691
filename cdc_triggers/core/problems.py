"""What is wrong with a text that users write, and where? Known before it ever runs."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where in the text, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class Problem(NamedTuple):
    """Something that keeps the text from being used."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class InvalidSourceError(ValueError):
    """A text that cannot be used; `problems` has all that was found, in their order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
