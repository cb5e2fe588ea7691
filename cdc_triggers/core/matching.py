"""Which triggers does an event concern, under which ordering key, and in which form?

A trigger's condition is asked last, and never for an invocation by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cdc_triggers.core import rowjson
from cdc_triggers.core.condition import compiled
from cdc_triggers.core.event import Event
from cdc_triggers.core.images import Images, Naming
from cdc_triggers.core.layouts import Layouts
from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.shape import AS_IS, WHOLE, Shape
from cdc_triggers.core.spec import Operation, Ordering
from cdc_triggers.errors import ConditionError

TOTAL_KEY: Final = "*"
"""The one key of a trigger with total order."""

KEY_BYTES: Final = 2_400
"""Longer keys do not fit into PostgreSQL's indexes: 2,704 bytes, with what stands beside them."""

_KEY_CHARACTERS: Final = KEY_BYTES // 4
"""So many are never more bytes than that."""

NO_COLUMNS: Final = Naming({}, frozenset())


class Match(NamedTuple):
    """An event that a trigger wants.

    Attributes:
        key, old_key: ordering keys, JSON arrays of the raw values, or `#` and a digest of one that
            is too long; None: no order.
        error: why its condition could not say whether the trigger wants it: it is kept dead.
    """

    trigger: TriggerRow
    revision: Revision
    key: str | None
    old_key: str | None
    error: str | None = None


class Matcher:
    """Matches events against the applied triggers; made anew whenever they change.

    Attributes:
        layouts: the tables' columns as far as they are known.
    """

    def __init__(self, triggers: Iterable[TriggerRow], before: Matcher | None = None) -> None:
        rows = tuple(triggers)
        self.layouts: Layouts = Layouts(rows, before.layouts if before else None)
        self._by_table: dict[int, list[TriggerRow]] = {}
        for row in rows:
            self._by_table.setdefault(row.table_id, []).append(row)

    @property
    def stale(self) -> bool:
        """A row had columns that are not known: read the triggers again, and match it again."""
        return self.layouts.stale

    def match(self, event: Event) -> Sequence[Match]:
        """The triggers that the event is for, in their order of application."""
        found: list[Match] = []
        row: Images | None = None
        for trigger in self._by_table.get(event.table_id, ()):
            revision = in_force(trigger, event.xid)
            # one name: an invocation by hand, or a replicated row that only some triggers want
            if revision is None or event.trigger_name not in (None, trigger.name):
                continue
            if event.op == "MANUAL":
                if revision.spec.definition.enable_manual:
                    found.append(Match(trigger, revision, None, None))
                continue
            operation = operation_of(revision, event.op)
            if operation is None:
                continue
            row = row or Images(event)
            if event.op == "UPDATE" and not self._fires(trigger, revision, operation, row):
                continue
            error = None
            if revision.spec.condition is not None:
                wanted, error = self._ask(trigger, revision, event.op, row)
                if not wanted:
                    continue
            key, old_key = self._keys(trigger, revision, row)
            found.append(Match(trigger, revision, key, old_key, error))
        return found

    def shape(self, event: Event, revision: Revision) -> Shape:
        """The form in which it is sent; columns have the names of when the row changed."""
        operation = None if event.op == "MANUAL" else operation_of(revision, event.op)
        if operation is None:
            return WHOLE
        columns, as_text = operation.payload, revision.spec.stringify_numeric_types
        if columns == "*" and not as_text and event.table_id not in self.layouts.with_places:
            return WHOLE
        names = tuple(rowjson.fields(event.new or event.old or b"{}"))
        layout = self.layouts.of(event.table_id, names)
        if columns != "*":
            columns = tuple(layout.name(name, revision.attnums) for name in columns)
        return Shape(columns, layout.holds.large if as_text else AS_IS, layout.holds.places)

    def _fires(
        self, trigger: TriggerRow, revision: Revision, operation: Operation, row: Images
    ) -> bool:
        if operation.columns == "*":
            return True
        old, new = row.old, row.new
        layout = self.layouts.of(trigger.table_id, tuple(new))
        for name in operation.columns:
            now = layout.name(name, revision.attnums)
            if old.get(now) != new.get(now):
                return True
        return False

    def _ask(
        self, trigger: TriggerRow, revision: Revision, op: str, row: Images
    ) -> tuple[bool, str | None]:
        """True: the condition wants it; with an error, nobody knows whether it does."""
        condition = compiled(revision.spec.condition or "")
        naming = NO_COLUMNS
        if condition.reads.columns:
            layout = self.layouts.of(trigger.table_id, row.names)
            now = {n: layout.name(n, revision.attnums) for n in condition.column_names}
            naming = Naming(now, layout.holds.doubles)
        try:
            return condition.holds(op, row, naming), None
        except ConditionError as error:
            return True, str(error)

    def _keys(
        self, trigger: TriggerRow, revision: Revision, row: Images
    ) -> tuple[str | None, str | None]:
        ordering = revision.spec.ordering
        if ordering is Ordering.TOTAL:
            return TOTAL_KEY, None
        if ordering is Ordering.NONE or not trigger.ordering_attnums:
            return None, None
        layout = self.layouts.of(trigger.table_id, row.names)
        names = [layout.names.get(number, "") for number in trigger.ordering_attnums]
        new, old = row.keys(names)
        if new is not None and len(new) > _KEY_CHARACTERS:
            new = _fitting(new)
        if old is not None and len(old) > _KEY_CHARACTERS:
            old = _fitting(old)
        if new is None or old is None:
            return new or old, None
        return new, (old if old != new else None)


def _fitting(key: str) -> str:
    """The key, or what tells it from all others if it is too long."""
    text = key.encode()
    return key if len(text) <= KEY_BYTES else f"#{hashlib.sha256(text).hexdigest()}"


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
