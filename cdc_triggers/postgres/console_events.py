"""What the console's pages about events ask, on one connection: bounded in rows and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2

from cdc_triggers.core.event_search import FoundLine, Seen, Source
from cdc_triggers.core.views import AttemptView, DeliveryView, EventView, TriggerView
from cdc_triggers.errors import DatabaseError, TooSlowError
from cdc_triggers.postgres.connect import translate
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from psycopg2.extensions import connection

    from cdc_triggers.core.event_search import Search, Window

T = TypeVar("T")
_WITHIN = ("op", "schema", "table", "key", "text", "since", "until")


class ConsoleEvents:
    """Implements `app.event_search.Windows`, on an autocommit connection, which it does not close.

    Every method raises DatabaseError if PostgreSQL refuses, and TooSlowError if a statement takes
    longer than one may on this connection.
    """

    def __init__(self, connection: connection) -> None:
        self._connection = connection

    def settled_at(self) -> datetime | None:
        """See `Windows`."""
        ((at,),) = self._rows("admin_settled_at", {})
        found: datetime | None = at
        return found

    def find(self, wanted: Search, window: Window) -> Seen:
        """See `Windows`."""
        args: dict[str, Any] = wanted._asdict()
        args["text"] = None if wanted.text is None else wanted.text.lower()
        args["key_part"] = None if wanted.key is None else _json_part(wanted.key)
        args["within"] = any(args[name] is not None for name in _WITHIN)
        args |= {"from_id": window.from_id, "before": window.before}
        args |= {"window": window.rows, "limit": window.limit}
        ((rows, lowest, ids),) = self._rows(f"console_find_{Source(window.source).value}", args)
        return Seen(rows, lowest, tuple(ids or ()))

    def lines(self, ids: Sequence[str]) -> list[FoundLine]:
        """See `Windows`."""
        return self._fetch(FoundLine, "console_event_lines", ids=list(ids))

    def triggers(self) -> list[TriggerView]:
        """All applied triggers by name."""
        return self._fetch(TriggerView, "admin_triggers")

    def event(self, event_id: str) -> EventView | None:
        """One event; None: it is not recorded any more."""
        found = self._fetch(EventView, "admin_event", id=event_id)
        return found[0] if found else None

    def deliveries(self, event_id: str) -> list[DeliveryView]:
        """What is owed of it."""
        return self._fetch(DeliveryView, "admin_event_deliveries", id=event_id)

    def attempts(self, event_id: str, before: datetime | None, limit: int) -> list[AttemptView]:
        """The newest attempts for it."""
        return self._fetch(
            AttemptView, "console_event_attempts", id=event_id, before=before, limit=limit
        )

    def place(self, event_id: str) -> tuple[str, int | None] | None:
        """LSN of its commit, and its position in the transaction, as far as they are recorded."""
        found = self._rows("console_event_place", {"id": event_id})
        return next(((lsn, position) for lsn, position in found), None)

    def newest_of(self, trigger: str, window: int, limit: int) -> list[tuple[str, datetime, str]]:
        """Id, time and operation of the newest events of a trigger's table."""
        args = {"trigger": trigger, "window": window, "limit": limit}
        return [(i, at, op) for i, at, op in self._rows("console_newest_of", args)]

    def _fetch(self, kind: Callable[..., T], name: str, /, **args: object) -> list[T]:
        return [kind(*row) for row in self._rows(name, args)]

    def _rows(self, name: str, args: dict[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query(name), args)
                return cursor.fetchall()
        except psycopg2.errors.QueryCanceled as error:
            raise TooSlowError(
                "the database took too long to answer", hint="try again, or look for less"
            ) from error
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName) as error:
            raise DatabaseError(
                "cdc-triggers is not installed in this database",
                hint="run `cdc-triggers apply`, or check that --dsn names the right database",
            ) from error
        except psycopg2.Error as error:
            raise translate(error) from error


def _json_part(key: str) -> str:
    """The longest part of a key that stands in a row's JSON as it is, whatever stands around it."""
    parts = [p for value in key.split(",") for p in value.replace("\\", '"').split('"')]
    return max((p for p in parts if p.isascii() and p.isprintable()), key=len, default="")
