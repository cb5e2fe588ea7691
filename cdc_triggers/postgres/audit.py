"""The audit of the console on one connection; SQL is in `sql/queries/audit_*.sql`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2

from cdc_triggers.core.views import AuditLine
from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.connect import translate
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg2.extensions import connection

    from cdc_triggers.core.views import AuditIntent


class Audit:
    """Writes and reads the audit, on an autocommit connection, which it does not close.

    Every method raises DatabaseError if PostgreSQL refuses, ConnectionLostError if it is gone.
    """

    def __init__(self, connection: connection) -> None:
        self._connection = connection

    def begin(self, intent: AuditIntent) -> int:
        """Note it durably before it is done; returns its number."""
        return int(self._rows("begin", intent._asdict())[0][0])

    def end(self, number: int, result: str, detail: str) -> None:
        """Note what came of it."""
        self._rows("end", {"id": number, "result": result, "detail": detail})

    def line(self, number: int) -> AuditLine | None:
        """One line, if there is such a one."""
        found = self._rows("line", {"id": number})
        return AuditLine(*found[0]) if found else None

    def lines(
        self,
        limit: int,
        before: int | None = None,
        action: str | None = None,
        target: str | None = None,
    ) -> Sequence[AuditLine]:
        """Newest first, numbers below `before`."""
        args = {"limit": limit, "before": before, "action": action, "target": target}
        return [AuditLine(*row) for row in self._rows("lines", args)]

    def _rows(self, name: str, args: Mapping[str, object]) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query(f"audit_{name}"), args)
                return cursor.fetchall() if cursor.description else []
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName) as error:
            raise DatabaseError(
                "the table cdc_triggers.audit is not there: nothing is done that is not audited",
                hint="run `cdc-triggers apply` of this version",
            ) from error
        except psycopg2.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                f"this role lacks a right: {error.diag.message_primary}",
                hint="GRANT SELECT, INSERT, UPDATE ON cdc_triggers.audit TO <role>",
            ) from error
        except psycopg2.Error as error:
            raise translate(error) from error
