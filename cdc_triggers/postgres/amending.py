"""Changes some of the applied triggers and leaves the others as they are.

`apply` takes the whole file; here the rest is what the database has. Whoever else applies waits
meanwhile, so nobody's triggers get lost in between.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.resolve import Tables, named_columns
from cdc_triggers.postgres.catalog import read_catalog
from cdc_triggers.postgres.connect import translated
from cdc_triggers.postgres.locking import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from psycopg2.extensions import connection

    from cdc_triggers.core.catalog import Applied, Catalog
    from cdc_triggers.core.plan import Plan
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.postgres.capture import Installer

_VERSION_BITS = 52
"""So that every reader of JSON takes the number as it is."""


class State(NamedTuple):
    """What is applied.

    Attributes:
        triggers: by name, in the order in which they were made.
        tables: what the table of each is called now, as `schema.name`.
        version: another number for another state; it does not grow.
    """

    triggers: Mapping[str, Trigger]
    tables: Mapping[str, str]
    version: int


class Lack(NamedTuple):
    """Something that a trigger names and the database does not have."""

    trigger: str
    column: str | None


class Amended(NamedTuple):
    """What came of it.

    Attributes:
        plan: as carried out; with problems nothing was changed.
        lacking: those of its problems that are about something missing.
    """

    plan: Plan
    lacking: tuple[Lack, ...]


class Amender:
    """Reads and changes what is applied, on one autocommit connection, which it does not close."""

    def __init__(self, connection: connection, installer: Installer) -> None:
        self._connection = connection
        self._installer = installer

    def current(self) -> State:
        """What is applied now.

        Raises:
            DatabaseError: PostgreSQL refused or failed.
        """
        with translated():
            return _state(read_catalog(self._connection, ()))

    def amend(self, edit: Callable[[State], Sequence[Trigger]]) -> Amended:
        """Apply what `edit` makes of the current state; what it raises ends it, without a change.

        Raises:
            DatabaseError: PostgreSQL refused or failed, or another apply does not end.
        """
        with translated(), turn(self._connection):
            return self._amend(edit)

    def preview(self, edit: Callable[[State], Sequence[Trigger]]) -> tuple[State, Plan]:
        """The current state, and what `amend` would carry out; takes no lock and writes nothing.

        Raises:
            DatabaseError: PostgreSQL refused or failed.
        """
        state = self.current()
        return state, self._installer.plan(edit(state), {})

    def _amend(self, edit: Callable[[State], Sequence[Trigger]]) -> Amended:
        wanted = edit(self.current())
        plan = self._installer.plan(wanted, {})
        if plan.problems:
            catalog = read_catalog(self._connection, wanted)
            return Amended(plan, tuple(_lacking(wanted, catalog)))
        return Amended(self._installer.apply(plan).plan, ())


def _state(catalog: Catalog) -> State:
    names = {relation.oid: str(relation) for relation in catalog.relations}
    return State(
        {applied.name: applied.spec for applied in catalog.applied},
        {applied.name: names.get(applied.oid, "") for applied in catalog.applied},
        _version(catalog.applied),
    )


def _version(applied: Sequence[Applied]) -> int:
    text = ",".join(f"{each.id}:{each.revision}" for each in applied)
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _VERSION_BITS)


def _lacking(wanted: Sequence[Trigger], catalog: Catalog) -> Iterator[Lack]:
    tables = Tables(catalog.relations, catalog.applied)
    for spec in wanted:
        relation = tables.of(spec)
        if relation is None:
            yield Lack(spec.name, None)
        elif (details := catalog.details.get(relation.oid)) is not None:
            before = tables.applied.get(spec.name)
            known = {*details.columns, *(before.attnums if before is not None else ())}
            missing = (name for _, name in named_columns(spec) if name not in known)
            yield from (Lack(spec.name, name) for name in missing)
