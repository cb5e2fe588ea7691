"""Past events of a trigger's table, and the trigger as the stream would have it. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.resolve import Resolved, Resolver
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.views import EventView
from cdc_triggers.errors import TriggerFileError
from cdc_triggers.postgres.catalog import read_catalog
from cdc_triggers.postgres.connect import translated
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from psycopg2.extensions import connection

    from cdc_triggers.core.catalog import Catalog
    from cdc_triggers.core.spec import Trigger

ALWAYS = Snapshot(0, 0, frozenset())
"""No transaction had committed: whatever is asked, it came later."""

_FETCHED = 50
"""Rows that are read at a time: they may be large."""


class PastEvents:
    """Reads on one connection, which the caller closes."""

    def __init__(self, database: connection) -> None:
        database.autocommit = False  # a cursor on the server lives in a transaction
        self._database = database
        self._oid = 0

    def trigger(self, spec: Trigger) -> TriggerRow:
        """The trigger with its table's columns, as if it had been applied before every event.

        Raises:
            TriggerFileError: with what is wrong with it on this database.
            DatabaseError: PostgreSQL refused or failed.
        """
        with translated(), self._database:
            catalog = _permitting(read_catalog(self._database, (spec,)))
        resolver = Resolver(catalog, {})
        resolved = resolver.resolve(spec)
        if resolved is None:
            raise TriggerFileError(resolver.problems, "the trigger")
        self._oid = resolved.relation.oid
        return _row(resolved, catalog)

    def events(self, from_id: str, since: datetime | None, limit: int) -> Iterator[EventView]:
        """Events of the table of `trigger`, newest first; `from_id` is the lowest that may qualify.

        Raises:
            DatabaseError: PostgreSQL refused or failed.
        """
        parameters: dict[str, Any] = {"oid": self._oid, "from_id": from_id}
        parameters |= {"since": since, "limit": limit}
        with translated(), self._database, self._database.cursor("events") as cursor:
            cursor.execute(query("condition_events"), parameters)
            while rows := cursor.fetchmany(_FETCHED):
                names = [column.name for column in cursor.description or ()]
                yield from (EventView(**dict(zip(names, row, strict=True))) for row in rows)


def _permitting(catalog: Catalog) -> Catalog:
    """The same, with all rights on tables: nothing is installed, so nobody has to have them."""
    details = {
        oid: each._replace(owned=True, may_trigger=True, may_name=True)
        for oid, each in catalog.details.items()
    }
    return catalog._replace(details=details)


def _row(resolved: Resolved, catalog: Catalog) -> TriggerRow:
    details = catalog.details[resolved.relation.oid]
    return TriggerRow(
        id=0,
        name=resolved.spec.name,
        table_id=0,
        paused=False,
        ordering_attnums=resolved.ordering_attnums,
        columns=tuple((number, name) for name, number in details.columns.items()),
        holds=details.holds,
        revisions=(Revision(1, resolved.spec, dict(resolved.attnums), ALWAYS),),
    )
