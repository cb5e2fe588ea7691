"""What were the columns called when the row changed, and what do they hold?

Columns are followed by attribute number. An event carries its row as JSON with the column names of
its moment, in attribute order; the sequence of names tells which layout of the table it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.columns import NOTHING, Holds
from cdc_triggers.core.layout import align

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cdc_triggers.core.records import TriggerRow


class Layout:
    """One sequence of columns that a table has or had.

    Attributes:
        names: by attribute number.
        holds: the same by name.
    """

    __slots__ = ("holds", "names")

    def __init__(self, names: Mapping[int, str], holds: Holds[int]) -> None:
        self.names = names
        self.holds: Holds[str] = Holds(
            *(frozenset(names[number] for number in part if number in names) for part in holds)
        )

    def name(self, spec_name: str, attnums: Mapping[str, int]) -> str:
        """What the column was called that a spec with these numbers calls `spec_name`."""
        return self.names.get(attnums.get(spec_name, 0), spec_name)


class Layouts:
    """Of all tables; made anew, of those before, whenever the triggers are read.

    Attributes:
        stale: a row had columns that were not known and were not asked for yet: do not trust what
            was found, read the triggers again, and ask again.
        known: by table and sequence of names.
        guessed: those of them that no description of the table confirms.
        holds: by table.
        with_places: tables that hold places.
    """

    def __init__(self, triggers: Iterable[TriggerRow], before: Layouts | None = None) -> None:
        self.stale = False
        self.known: dict[tuple[int, tuple[str, ...]], Layout] = {}
        self.guessed: set[tuple[int, tuple[str, ...]]] = set(before.guessed if before else ())
        self.holds: dict[int, Holds[int]] = dict(before.holds if before else {})
        tables = {row.table_id: row for row in triggers}
        for table_id, row in tables.items():
            there = {number for number, _ in row.columns}
            held = self.holds.get(table_id, NOTHING)
            self.holds[table_id] = row.holds.and_of_gone(held, there)
        self.with_places = frozenset(table for table, held in self.holds.items() if held.places)
        for place, layout in before.known.items() if before else ():
            if place not in self.guessed:
                self.known[place] = self._layout(place[0], layout.names)
        for table_id, row in tables.items():
            names = tuple(name for _, name in row.columns)
            self.known[table_id, names] = self._layout(table_id, dict(row.columns))
            self.guessed.discard((table_id, names))

    def of(self, table_id: int, names: tuple[str, ...]) -> Layout:
        """The layout of a row with these columns.

        An unknown sequence is a layout from before or after a change of the table: columns that
        the current one has under the same name keep their number, others take the free numbers in
        order, which is right for renames.
        """
        layout = self.known.get((table_id, names))
        if layout is None:
            # asked for once per layout: a row from before the last change stays unknown
            self.stale = self.stale or (table_id, names) not in self.guessed
            self.guessed.add((table_id, names))
            known = [each.names for (table, _), each in self.known.items() if table == table_id]
            layout = self._layout(table_id, align(names, reversed(known)))
            self.known[table_id, names] = layout
        return layout

    def _layout(self, table_id: int, names: Mapping[int, str]) -> Layout:
        return Layout(names, self.holds.get(table_id, NOTHING))
