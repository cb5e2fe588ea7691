"""A captured table, and what the log has of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cdc_triggers.postgres.capture import Installer

if TYPE_CHECKING:
    from psycopg2 import sql

    from cdc_triggers.core.spec import Trigger
    from support.databases import Database

ALL_EVENTS = """
SELECT op, old::text, new::text, session, trace, schema_name, table_name, trigger_name, id::text
  FROM cdc_triggers.event_log ORDER BY seq"""


class Event:
    def __init__(self, row: tuple[Any, ...]) -> None:
        (
            self.op,
            old,
            new,
            self.session,
            self.trace,
            self.schema,
            self.table,
            self.meant,
            self.id,
        ) = row
        self.raw = new if new is not None else old
        self.old: Any = None if old is None else json.loads(old)
        self.new: Any = None if new is None else json.loads(new)

    @property
    def change(self) -> tuple[str, Any, Any]:
        return self.op, self.old, self.new


def capture(database: Database, *specs: Trigger, tables: str) -> Any:
    connection = database.connect()
    run(connection, tables)
    installer = Installer(connection, slot=database.slot)
    plan = installer.plan(specs, {})
    assert plan.problems == ()
    installer.apply(plan)
    return connection


def run(connection: Any, statement: str | sql.Composable, *args: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, args or None)
        return [] if cursor.description is None else cursor.fetchall()


def events(connection: Any) -> list[Event]:
    return [Event(row) for row in run(connection, ALL_EVENTS)]


def changes(connection: Any) -> list[tuple[str, Any, Any]]:
    return [event.change for event in events(connection)]


def level(connection: Any) -> str:
    ((value,),) = run(connection, "SELECT level FROM cdc_triggers.captured_table")
    return str(value)
