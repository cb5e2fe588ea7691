"""From the triggers that are wanted and the database as it is: what must change, and what is wrong.

Pure: it decides which table is meant, at which level it is captured, and which capture triggers it
needs. `postgres.capture` writes the SQL and runs it.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core import hasura_capture
from cdc_triggers.core.catalog import CaptureTrigger, Kind
from cdc_triggers.core.resolve import Resolved, Resolver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.core.catalog import Applied, Captured, Catalog, Details, Relation
    from cdc_triggers.core.cleanup import Retention
    from cdc_triggers.core.hasura_capture import Beside
    from cdc_triggers.core.spec import Trigger

NEW_TABLE = 0
"""Stands for the id of a table that is not captured yet."""

PREFIX = "00_cdc_triggers_"
"""Every capture trigger's name begins so, and sorts before nearly all others: it fires first."""

ATTACHED = "attached"
"""Argument of the row triggers that capture only while the table is a partition of another.

Somebody may attach a captured table at any time, and from then on statements name its parent: no
statement trigger of the partition fires on those. See sql/capture.
"""

_OPERATIONS = ("insert", "update", "delete")


class Change(StrEnum):
    """What apply does to one trigger."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class TriggerChange(NamedTuple):
    """One trigger that apply writes or removes. A changed one keeps its id and its pause.

    Attributes:
        id: of the applied trigger; None: it is new.
        resolved: the table and columns; None: it is removed.
    """

    change: Change
    name: str
    id: int | None
    resolved: Resolved | None


class TablePlan(NamedTuple):
    """What one table needs. `create` also replaces a capture trigger of the same name.

    Attributes:
        table_id: NEW_TABLE, or its id in captured_table; it is the first argument of `create`.
        needed: False: no trigger is on the table any more.
    """

    relation: Relation
    table_id: int
    level: str
    key_attnums: tuple[int, ...]
    needed: bool
    owned: bool
    create: tuple[CaptureTrigger, ...]
    drop: tuple[CaptureTrigger, ...]


class Statement(NamedTuple):
    """A statement as it will run, and the lock it takes until the end of the transaction.

    Attributes:
        summary: what it does, in place of SQL that is long and the same everywhere; else empty.
    """

    sql: str
    lock: str
    summary: str = ""


class Plan(NamedTuple):
    """What apply would do. With problems it can not be applied.

    Attributes:
        triggers, sources: what was planned, so that apply can plan again under its lock.
        problems: one line each, `file:line: trigger: what, and what to write instead`.
        notes: what the user should know, but may well want.
        statements: for the reader's eyes; written by the adapter.
        replace_hasura: Hasura's capture for triggers of the same names shall be off.
        silenced: what of it is on, and is turned off before anything else.
        retention: that is wanted; None: it stays as it is.
    """

    triggers: tuple[Trigger, ...]
    sources: Mapping[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    changes: tuple[TriggerChange, ...]
    tables: tuple[TablePlan, ...]
    statements: tuple[Statement, ...] = ()
    replace_hasura: bool = False
    silenced: tuple[Beside, ...] = ()
    retention: Retention | None = None

    @property
    def empty(self) -> bool:
        """True if the database is as it should be."""
        return not (self.changes or self.tables or self.statements or self.silenced)

    @property
    def numbers(self) -> bool:
        """True if `statements` say N for the number of a table that is new to capture."""
        return any(table.create and table.table_id == NEW_TABLE for table in self.tables)

    def names(self, change: Change) -> tuple[str, ...]:
        """The triggers to which this happens."""
        return tuple(c.name for c in self.changes if c.change is change)


def numbered(table: TablePlan, table_id: str) -> tuple[CaptureTrigger, ...]:
    """The capture triggers to create, under the id that a table new to capture has got."""
    if table.table_id != NEW_TABLE:
        return table.create
    return tuple(
        trigger._replace(
            name=trigger.name.replace(f"_{NEW_TABLE}", f"_{table_id}", 1),
            arguments=(table_id, *trigger.arguments[1:]),
        )
        for trigger in table.create
    )


def make_plan(
    triggers: Sequence[Trigger],
    sources: Mapping[str, str],
    catalog: Catalog,
    *,
    replace_hasura: bool = False,
) -> Plan:
    """Compare the wanted triggers with the database; every problem is found in one run."""
    resolver = Resolver(catalog, sources)
    resolved = [found for spec in triggers if (found := resolver.resolve(spec))]
    resolver.check_names(triggers)
    beside = hasura_capture.beside(resolved, catalog)
    if replace_hasura:
        resolver.problems += hasura_capture.problems(beside, catalog.role)
    else:
        resolver.notes += hasura_capture.notes(beside)
    changes = _changes(resolved, catalog) if not resolver.problems else ()
    tables = _tables(resolved, catalog) if not resolver.problems else ()
    return Plan(
        triggers=tuple(triggers),
        sources=sources,
        problems=tuple(resolver.problems),
        notes=tuple(resolver.notes),
        changes=changes,
        tables=tables,
        replace_hasura=replace_hasura,
        silenced=beside if replace_hasura else (),
    )


def _changes(resolved: Sequence[Resolved], catalog: Catalog) -> tuple[TriggerChange, ...]:
    """Removals first: a trigger that moved to another table is a new one of that name."""
    wanted = {r.spec.name: r for r in resolved}
    applied = {a.name: a for a in catalog.applied}
    moved = {n for n, a in applied.items() if n in wanted and wanted[n].relation.oid != a.oid}
    removed = [
        TriggerChange(Change.REMOVED, a.name, a.id, None)
        for a in catalog.applied
        if a.name not in wanted or a.name in moved
    ]
    written = [
        TriggerChange(Change.ADDED, name, None, found)
        if name not in applied or name in moved
        else TriggerChange(Change.CHANGED, name, applied[name].id, found)
        for name, found in wanted.items()
        if name not in applied or name in moved or _differs(found, applied[name])
    ]
    return (*removed, *written)


def _differs(found: Resolved, applied: Applied) -> bool:
    return (
        found.spec != applied.spec
        or dict(found.attnums) != dict(applied.attnums)
        or found.ordering_attnums != applied.ordering_attnums
    )


def _tables(resolved: Sequence[Resolved], catalog: Catalog) -> tuple[TablePlan, ...]:
    """Every table that changes, in the order of its oid: two appliers never lock crosswise."""
    by_oid: dict[int, list[Resolved]] = {}
    for found in resolved:
        by_oid.setdefault(found.relation.oid, []).append(found)
    relations = {r.oid: r for r in catalog.relations}
    captured = {c.oid: c for c in catalog.captured}
    oids = sorted({*by_oid, *captured, *catalog.capture} & relations.keys())
    plans = [
        _table(relations[oid], by_oid.get(oid, []), captured.get(oid), catalog) for oid in oids
    ]
    return tuple(plan for plan in plans if plan is not None)


def _table(
    relation: Relation, wanted: Sequence[Resolved], captured: Captured | None, catalog: Catalog
) -> TablePlan | None:
    details = catalog.details[relation.oid]
    level = level_of(relation, details)
    table_id = captured.id if captured else NEW_TABLE
    present = {t.name: t for t in catalog.capture.get(relation.oid, ())}
    desired = {t.name: t for t in _capture(relation, details, table_id, wanted)}
    create = tuple(t for name, t in desired.items() if present.get(name) != t)
    drop = tuple(t for name, t in present.items() if name not in desired)
    row = (level, details.key_attnums)
    recorded = captured is not None and (captured.level, captured.key_attnums) == row
    if not create and not drop and recorded and wanted:
        return None
    if not wanted and captured is None and not drop:
        return None
    return TablePlan(
        relation, table_id, level, details.key_attnums, bool(wanted), details.owned, create, drop
    )


def level_of(relation: Relation, details: Details) -> str:
    """How a table is captured.

    A statement trigger fires only on the table that the statement names, so partitions, inherited
    tables and their parents are captured by row. So is a table with AFTER row triggers of its own:
    what these write to it would be logged before the statement that fired them, out of order.
    """
    if relation.kind is Kind.PARTITIONED or details.is_partition or details.inherits:
        return "row"
    return "row" if details.own_row_triggers else "statement"


def _capture(
    relation: Relation, details: Details, table_id: int, wanted: Sequence[Resolved]
) -> list[CaptureTrigger]:
    """The capture triggers that a table needs. Their names sort before nearly all others."""
    by_row = level_of(relation, details) == "row"
    naming = _naming(relation, details)
    found: list[CaptureTrigger] = []
    for operation in _OPERATIONS:
        specs = [w.spec for w in wanted if getattr(w.spec.definition, operation)]
        if not specs:
            continue
        name = f"{PREFIX}{operation}_{table_id}"
        if by_row:
            found.append(CaptureTrigger(name, "capture_row", (str(table_id), naming), "O"))
        else:
            found.append(CaptureTrigger(name, f"capture_{operation}", (str(table_id),), "O"))
            attached = (str(table_id), ATTACHED)
            found.append(CaptureTrigger(f"{name}_{ATTACHED}", "capture_row", attached, "O"))
        found.extend(_replicated(name, table_id, naming, specs))
    return found


def _replicated(
    name: str, table_id: int, naming: str, specs: Sequence[Trigger]
) -> list[CaptureTrigger]:
    """Capture of replicated rows, where only row triggers fire, for the triggers that want them.

    They fire only there, so local writes keep the fast path. If some triggers of the table do not
    want replicated rows, each event names the one trigger that does.
    """
    wanting = [s.name for s in specs if s.trigger_on_replication]
    arguments = (str(table_id), naming)
    if wanting and len(wanting) == len(specs):
        return [CaptureTrigger(f"{name}_replica", "capture_row", arguments, "R")]
    return [
        CaptureTrigger(
            f"{name}_replica_{hashlib.sha256(each.encode()).hexdigest()[:8]}",
            "capture_row",
            (*arguments, each),
            "R",
        )
        for each in wanting
    ]


def _naming(relation: Relation, details: Details) -> str:
    """How capture_row finds the captured table's name; see sql/capture."""
    if relation.kind is not Kind.PARTITIONED:
        return "own"
    return "parent" if details.is_partition else "root"
