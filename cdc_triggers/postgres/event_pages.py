"""Pages of events with their rows, and of attempts: bounded in bytes, whatever the rows hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cdc_triggers.core.views import AttemptView, EventPayload, EventView, Invocation
from cdc_triggers.errors import UsageError
from cdc_triggers.postgres.columns import holds_of
from cdc_triggers.postgres.connect import translated
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg2.extensions import connection

    from cdc_triggers.core.columns import Holds

PAGE_BYTES: Final = 8 * 1024 * 1024
"""Of JSON text in one page: beyond it an answer would cost memory and stall deliveries."""

_FETCHED: Final = 20
"""Rows that are read at a time: so much more than a page may come in."""


class EventPages:
    """Reads on one connection, which the caller closes."""

    def __init__(self, connection: connection) -> None:
        # A cursor on the server lives in a transaction.
        connection.autocommit = False
        self._connection = connection

    def payloads(self, ids: Sequence[str], trigger: str) -> dict[str, EventPayload]:
        """What these events hold, by id; those that are not recorded any more are not in it.

        Raises:
            UsageError: they are too large for one page.
            DatabaseError: PostgreSQL refused or failed.
        """
        found: dict[str, EventPayload] = {}
        parameters = {"ids": list(ids), "trigger": trigger}
        for row in self._rows("admin_event_payloads", parameters):
            claimed_until, due_at = row.pop("claimed_until"), row.pop("due_at")
            found[row["id"]] = EventPayload(EventView(**row), claimed_until, due_at)
        return found

    def invocations(self, trigger: str, limit: int, offset: int) -> list[Invocation]:
        """Attempts for a trigger, those for the newest event first.

        Raises:
            UsageError: they are too large for one page.
            DatabaseError: PostgreSQL refused or failed.
        """
        parameters = {"trigger": trigger, "limit": limit, "offset": offset}
        rows = self._rows("admin_invocations", parameters)
        return [Invocation(row.pop("event_id"), AttemptView(**row)) for row in rows]

    def holds(self, schema: str, table: str) -> Holds[str]:
        """What the columns of a table hold, by name.

        Raises:
            DatabaseError: PostgreSQL refused or failed.
        """
        with translated(), self._connection, self._connection.cursor() as cursor:
            return holds_of(cursor, schema, table)

    def _rows(self, name: str, parameters: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        """Through a cursor on the server, so that no more than a page is ever in memory."""
        size = 0
        with translated(), self._connection, self._connection.cursor("page") as cursor:
            cursor.execute(query(name), parameters)
            while rows := cursor.fetchmany(_FETCHED):
                size += sum(len(v) for row in rows for v in row if isinstance(v, str))
                if size > PAGE_BYTES:
                    raise UsageError(
                        f"this page would have more than {PAGE_BYTES >> 20} MiB",
                        hint="ask for fewer at a time: a smaller limit",
                    )
                names = [column.name for column in cursor.description or ()]
                yield from (dict(zip(names, row, strict=True)) for row in rows)
