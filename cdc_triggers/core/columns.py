"""What are the columns of a table, and which hold something that has another form elsewhere?"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

Column = TypeVar("Column", bound=Hashable)


class Holds(NamedTuple, Generic[Column]):
    """Columns of a table by number, or of one row by name; a domain counts as its base type.

    Attributes:
        doubles: real, double precision, numeric, also in arrays: doubles to a condition.
        large: bigint, numeric, double precision: beyond what every reader of JSON holds.
        places: geometry and geography that PostGIS writes in hexadecimal.
    """

    doubles: frozenset[Column] = frozenset()
    large: frozenset[Column] = frozenset()
    places: frozenset[Column] = frozenset()

    def and_of_gone(self, before: Holds[Column], there: AbstractSet[Column]) -> Holds[Column]:
        """With what columns held that are not `there` any more: a number is never used twice."""
        pairs = zip(self, before, strict=True)
        return Holds(*(now | (was - there) for now, was in pairs))


NOTHING: Holds[int] = Holds()


class TableColumns(NamedTuple):
    """The columns of a table in their order.

    Attributes:
        columns: attribute number and name.
        types: which of `core.cel.functions.Type` a condition sees of each.
    """

    columns: tuple[tuple[int, str], ...] = ()
    types: tuple[str, ...] = ()
    holds: Holds[int] = NOTHING
