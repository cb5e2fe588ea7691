"""Which attribute number has each column of a row whose layout nobody has described?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SAME_NAME = 3
_RENAMED = 2
_NO_ROOM = -1_000_000


def align(names: Sequence[str], known: Iterable[Mapping[int, str]]) -> dict[int, str]:
    """The likeliest layout for these columns, given layouts that the table has or had.

    Columns stand in the order of their numbers and a number is never used twice: of all
    assignments in that order, the one that keeps the most names counts, and a column that was
    renamed is likelier than one dropped and another added. So a name that passed from one column
    to another is followed rightly as long as its neighbours leave it only one place.

    Args:
        names: the row's columns in their order.
        known: layouts by number; of equally good ones the first counts. May be empty.
    """
    found = [_align(names, layout) for layout in known]
    return max(found, key=lambda each: each[0])[1] if found else {}


def _align(names: Sequence[str], layout: Mapping[int, str]) -> tuple[int, dict[int, str]]:
    """The best score and its assignment: dynamic programming over columns and numbers."""
    last = max(layout, default=0) + len(names)
    # scores[place][number]: the best for the columns from `place` on and the numbers from there on
    scores: list[list[int]] = [[0] * (last + 2)]
    for name in reversed(names):
        after, here = scores[-1], [_NO_ROOM] * (last + 2)
        for number in range(last, 0, -1):
            here[number] = max(
                here[number + 1], after[number + 1] + _score(name, layout.get(number))
            )
        scores.append(here)
    scores.reverse()
    found: dict[int, str] = {}
    number = 1
    for place, name in enumerate(names):
        wanted = scores[place][number]
        # the first number that leads to the best score
        while scores[place + 1][number + 1] + _score(name, layout.get(number)) != wanted:
            number += 1
        found[number] = name
        number += 1
    return scores[0][1], found


def _score(name: str, known: str | None) -> int:
    if known is None:
        return 0
    return _SAME_NAME if known == name else _RENAMED
