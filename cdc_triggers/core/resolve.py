"""Which table and which columns does a trigger mean? And everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.catalog import Kind, quoted
from cdc_triggers.core.cel.functions import Type
from cdc_triggers.core.condition import compiled
from cdc_triggers.core.spec import Ordering

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cdc_triggers.core.catalog import Applied, Catalog, Details, Relation
    from cdc_triggers.core.spec import Trigger

_REFUSED = {
    Kind.VIEW: "is a view: name the table under it",
    Kind.MATERIALIZED_VIEW: "is a materialized view: name the table under it",
    Kind.FOREIGN: "is a foreign table, its rows change elsewhere: put the trigger on that server",
    Kind.SEQUENCE: "is a sequence: name a table",
    Kind.TEMPORARY: "is a temporary table: name one that stays",
    Kind.SYSTEM: "is a system catalog, which can not have triggers: name a table of yours",
    Kind.OWN: "belongs to cdc-triggers itself: name a table of yours",
}


class Resolved(NamedTuple):
    """A trigger whose table and columns are known.

    Attributes:
        attnums: attribute number of every column that the spec names.
        ordering_attnums: of the ordering key; empty: none, total, or nothing to order by.
    """

    spec: Trigger
    relation: Relation
    attnums: Mapping[str, int]
    ordering_attnums: tuple[int, ...]


class Tables:
    """Finds the tables that triggers name.

    Attributes:
        applied: what is in force, by name.
    """

    def __init__(self, relations: Iterable[Relation], applied: Iterable[Applied]) -> None:
        self.applied = {a.name: a for a in applied}
        self._by_oid = {r.oid: r for r in relations}
        self._by_name = {(r.schema, r.name): r for r in self._by_oid.values()}

    def of(self, spec: Trigger) -> Relation | None:
        """The table of that name; else the one that had it when this trigger was applied."""
        found = self._by_name.get((spec.table.schema_name, spec.table.name))
        if found is not None:
            return found
        before = self.applied.get(spec.name)
        return self._by_oid.get(before.oid) if before and before.spec.table == spec.table else None


class Resolver:
    """Finds tables and columns; collects problems and notes on the way."""

    def __init__(self, catalog: Catalog, sources: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._catalog = catalog
        self._sources = sources
        self._tables = Tables(catalog.relations, catalog.applied)

    def check_names(self, triggers: Sequence[Trigger]) -> None:
        """Every name may stand once: events and logs are found by it."""
        counts = Counter(spec.name for spec in triggers)
        for name, count in counts.items():
            if count > 1:
                self._problem(name, f"{count} triggers have this name: give each one of its own")

    def resolve(self, spec: Trigger) -> Resolved | None:
        """The table and the columns; None if there is a problem."""
        before = len(self.problems)
        relation = self._tables.of(spec)
        if relation is None:
            self._unknown_table(spec)
            return None
        if relation.kind in _REFUSED:
            self._problem(spec.name, f"{relation} {_REFUSED[relation.kind]}")
            return None
        details = self._catalog.details[relation.oid]
        self._check_rights(spec, relation, details)
        attnums = self._columns(spec, relation, details)
        ordering = self._ordering(spec, relation, details, attnums)
        self._check_condition(spec, details, attnums)
        self._note(spec, relation, details)
        if len(self.problems) > before:
            return None
        return Resolved(spec, relation, attnums, ordering)

    def _unknown_table(self, spec: Trigger) -> None:
        tables = [r for r in self._catalog.relations if r.kind not in _REFUSED]
        near = get_close_matches(str(spec.table), [str(r) for r in tables], n=1, cutoff=0.6)
        elsewhere = [str(r) for r in tables if r.name == spec.table.name]
        hint = (elsewhere or near or [""])[0]
        meant = f": did you mean {hint}?" if hint else ": create it first, or correct the name"
        self._problem(spec.name, f"there is no table {spec.table}{meant}")

    def _check_rights(self, spec: Trigger, relation: Relation, details: Details) -> None:
        role = self._catalog.role
        if not details.may_name:
            text = f"role {role} may not use schema {relation.schema}"
            grant = f"GRANT USAGE ON SCHEMA {quoted(relation.schema)} TO {quoted(role)}"
            self._problem(spec.name, f"{text}: {grant}")
        if not details.may_trigger:
            text = f"role {role} may not create triggers on {relation}"
            more = ", and on its partitions" if relation.kind is Kind.PARTITIONED else ""
            grant = f"GRANT TRIGGER ON {relation.as_sql} TO {quoted(role)}{more}"
            self._problem(spec.name, f"{text}: {grant}")
        if spec.trigger_on_replication and not details.owned:
            text = f"trigger_on_replication needs the owner of {relation}, and {role} is not"
            self._problem(spec.name, f"{text}: apply as its owner, or leave it out")

    def _columns(self, spec: Trigger, relation: Relation, details: Details) -> dict[str, int]:
        """Attribute numbers of all columns named. One that was renamed since is still known."""
        applied = self._tables.applied.get(spec.name)
        known = applied.attnums if applied and applied.oid == relation.oid else {}
        names_now = {number: name for name, number in details.columns.items()}
        found: dict[str, int] = {}
        for place, name in named_columns(spec):
            if name in found:
                continue
            if name in details.columns:
                found[name] = details.columns[name]
            elif (number := known.get(name, 0)) in names_now:
                found[name] = number
                self._say(spec.name, f"column {name} is now called {names_now[number]}")
            else:
                near = get_close_matches(name, list(details.columns), n=1, cutoff=0.5)
                meant = near[0] if near else "one of " + ", ".join(details.columns)
                self._problem(
                    spec.name, f"{place}: {relation} has no column {name}: did you mean {meant}?"
                )
        return found

    def _check_condition(self, spec: Trigger, details: Details, attnums: Mapping[str, int]) -> None:
        """Types can only be checked where they are known."""
        if spec.condition is None:
            return
        type_of = {number: details.types.get(name) for name, number in details.columns.items()}
        columns = {name: Type(type_of.get(attnums[name]) or Type.DYN) for name in attnums}
        for problem in compiled(spec.condition).problems(columns):
            self._problem(spec.name, f"condition: {problem}")

    def _ordering(
        self, spec: Trigger, relation: Relation, details: Details, attnums: Mapping[str, int]
    ) -> tuple[int, ...]:
        if spec.ordering is not Ordering.KEY:
            return ()
        if spec.ordering_key:
            return tuple(attnums[name] for name in spec.ordering_key if name in attnums)
        if not details.key_attnums:
            text = f"{relation} has no primary key: falls back to ordering: none"
            self._say(spec.name, f"{text}; give it ordering_key to keep an order")
        return details.key_attnums

    def _note(self, spec: Trigger, relation: Relation, details: Details) -> None:
        if str(relation) != str(spec.table):
            self._say(spec.name, f"table {spec.table} is now called {relation}")
        if details.virtual:
            text = "is computed only when read: it is always null in events"
            self._say(spec.name, f"virtual column {', '.join(details.virtual)} {text}")
        if details.inherits and not details.is_partition and relation.kind is Kind.ORDINARY:
            text = "inherits or is inherited: only rows stored in itself are captured"
            self._say(spec.name, f"{relation} {text}; name the other tables in triggers too")

    def _problem(self, name: str, text: str) -> None:
        source = self._sources.get(name)
        self.problems.append(f"{source}: {name}: {text}" if source else f"{name}: {text}")

    def _say(self, name: str, text: str) -> None:
        self.notes.append(f"{name}: {text}")


def named_columns(spec: Trigger) -> Iterable[tuple[str, str]]:
    """Every column that the spec names, with the place where it stands."""
    for operation in ("insert", "update", "delete"):
        value = getattr(spec.definition, operation)
        if value is None:
            continue
        for part in ("columns", "payload"):
            columns = getattr(value, part)
            if columns != "*":
                yield from ((f"{operation}.{part}", name) for name in columns)
    yield from (("ordering_key", name) for name in spec.ordering_key)
    if spec.condition is not None:
        yield from (("condition", name) for name in compiled(spec.condition).column_names)
