"""Which triggers does an event concern, and under which ordering key?

Columns are followed by attribute number. An event carries its row as JSON with the column names of
its moment, in attribute order; the sequence of names tells which layout of the table it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core import rowjson
from cdc_triggers.core.layout import align
from cdc_triggers.core.spec import Ordering

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cdc_triggers.core.event import Event
    from cdc_triggers.core.records import Revision, TriggerRow
    from cdc_triggers.core.spec import Columns, Operation

TOTAL_KEY = "*"
"""The one key of a trigger with total order."""


class Match(NamedTuple):
    """An event that a trigger wants.

    Attributes:
        key, old_key: ordering keys, JSON arrays of the raw values; None: no order.
    """

    trigger: TriggerRow
    revision: Revision
    key: str | None
    old_key: str | None


class Matcher:
    """Matches events against the applied triggers; made anew whenever they change.

    Attributes:
        stale: a row had columns that were not known and were not asked for yet: do not trust the
            match, read the triggers again, and match it again.
        layouts: by table and sequence of names, the name of every attribute number.
        guessed: those of them that no description of the table confirms.
    """

    def __init__(self, triggers: Iterable[TriggerRow], before: Matcher | None = None) -> None:
        self.stale = False
        self._by_table: dict[int, list[TriggerRow]] = {}
        self.guessed: set[tuple[int, tuple[str, ...]]] = set(before.guessed if before else ())
        self.layouts: dict[tuple[int, tuple[str, ...]], dict[int, str]] = {}
        for place, layout in before.layouts.items() if before else ():
            if place not in self.guessed:
                self.layouts[place] = layout
        for row in triggers:
            self._by_table.setdefault(row.table_id, []).append(row)
            names = tuple(name for _, name in row.columns)
            self.layouts[row.table_id, names] = dict(row.columns)

    def match(self, event: Event) -> Sequence[Match]:
        """The triggers that the event is for, in their order of application."""
        found: list[Match] = []
        row: _Row | None = None
        for trigger in self._by_table.get(event.table_id, ()):
            revision = in_force(trigger, event.xid)
            if revision is None:
                continue
            # an invocation by hand, or a replicated row that only some triggers want
            if event.trigger_name not in (None, trigger.name):
                continue
            if event.op == "MANUAL":
                if revision.spec.definition.enable_manual:
                    found.append(Match(trigger, revision, None, None))
                continue
            operation = operation_of(revision, event.op)
            if operation is None:
                continue
            row = row or _Row(event)
            if event.op == "UPDATE" and not self._fires(trigger, revision, operation, row):
                continue
            found.append(Match(trigger, revision, *self._keys(trigger, revision, row)))
        return found

    def payload_names(self, event: Event, revision: Revision, columns: Columns) -> Columns:
        """The payload's columns under the names that they had when the row changed."""
        if columns == "*" or event.op == "MANUAL":
            return "*"
        layout = self._layout(
            event.table_id, tuple(rowjson.fields(event.new or event.old or b"{}"))
        )
        return tuple(layout.get(revision.attnums.get(name, 0), name) for name in columns)

    def _fires(
        self, trigger: TriggerRow, revision: Revision, operation: Operation, row: _Row
    ) -> bool:
        if operation.columns == "*":
            return True
        old, new = row.old, row.new
        layout = self._layout(trigger.table_id, tuple(new))
        for name in operation.columns:
            now = layout.get(revision.attnums.get(name, 0), name)
            if old.get(now) != new.get(now):
                return True
        return False

    def _keys(
        self, trigger: TriggerRow, revision: Revision, row: _Row
    ) -> tuple[str | None, str | None]:
        ordering = revision.spec.ordering
        if ordering is Ordering.TOTAL:
            return TOTAL_KEY, None
        if ordering is Ordering.NONE or not trigger.ordering_attnums:
            return None, None
        layout = self._layout(trigger.table_id, tuple(row.new or row.old))
        names = [layout.get(number, "") for number in trigger.ordering_attnums]
        new = _key(row.new, names) if row.new else None
        old = _key(row.old, names) if row.old else None
        if new is None or old is None:
            return new or old, None
        return new, (old if old != new else None)

    def _layout(self, table_id: int, names: tuple[str, ...]) -> Mapping[int, str]:
        """Attribute number to name for a row with these columns.

        An unknown sequence is a layout from before or after a change of the table: columns that
        the current one has under the same name keep their number, others take the free numbers in
        order, which is right for renames.
        """
        layout = self.layouts.get((table_id, names))
        if layout is None:
            # asked for once per layout: a row from before the last change stays unknown
            self.stale = self.stale or (table_id, names) not in self.guessed
            self.guessed.add((table_id, names))
            layout = self._guess(table_id, names)
            self.layouts[table_id, names] = layout
        return layout

    def _guess(self, table_id: int, names: tuple[str, ...]) -> dict[int, str]:
        known = [layout for (table, _), layout in self.layouts.items() if table == table_id]
        return align(names, reversed(known))


class _Row:
    """The images of one event, split once for all the triggers that ask."""

    __slots__ = ("_event", "_new", "_old")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._old: dict[str, bytes] | None = None
        self._new: dict[str, bytes] | None = None

    @property
    def old(self) -> dict[str, bytes]:
        if self._old is None:
            self._old = rowjson.fields(self._event.old) if self._event.old else {}
        return self._old

    @property
    def new(self) -> dict[str, bytes]:
        if self._new is None:
            self._new = rowjson.fields(self._event.new) if self._event.new else {}
        return self._new


def in_force(trigger: TriggerRow, xid: int) -> Revision | None:
    """The newest revision that was applied before transaction `xid` committed; None if none was."""
    for revision in trigger.revisions:
        if not revision.applied.contains(xid):
            return revision
    return None


def operation_of(revision: Revision, op: str) -> Operation | None:
    """What the spec says of INSERT, UPDATE or DELETE."""
    definition = revision.spec.definition
    if op == "INSERT":
        return definition.insert
    return definition.update if op == "UPDATE" else definition.delete


def _key(row: Mapping[str, bytes], names: Sequence[str]) -> str:
    return rowjson.key_text([row.get(name, b"null") for name in names])
