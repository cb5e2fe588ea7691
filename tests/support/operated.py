"""A database as the operator's commands find it: triggers, events and what became of them."""

from __future__ import annotations

import json
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cdc_triggers.app.admin import Administration, lowest_id
from cdc_triggers.core.views import EventFilter
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

ALL = EventFilter(None, None, None, 50)
DEFINITION = {"name": "", "definition": {"insert": {"columns": "*"}, "enable_manual": True}}


@dataclass
class Shop:
    """A database with the schema, one captured table, and rows as a stream would write them."""

    database: Database
    connection: Any
    table_id: int = 0

    def run(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, args or None)
            return [] if cursor.description is None else cursor.fetchall()

    def trigger(self, name: str, **definition: object) -> int:
        text = json.dumps({**DEFINITION, "name": name, **definition})
        [(trigger_id,)] = self.run(
            "INSERT INTO cdc_triggers.trigger (name, table_id, definition, ordering_attnums) "
            "VALUES (%s, %s, %s, '{1}') RETURNING id",
            *(name, self.table_id, text),
        )
        self.run(
            "INSERT INTO cdc_triggers.trigger_revision "
            "(trigger_id, revision, definition, column_attnums) VALUES (%s, 1, %s, '{}')",
            *(trigger_id, text),
        )
        return int(trigger_id)

    def event(self, age_s: float = 0, new: str = '{"id":1}', op: str = "INSERT") -> str:
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        stamp = uuid.UUID(lowest_id(at + timedelta(seconds=1))).int
        event_id = str(uuid.UUID(int=stamp | (uuid.uuid4().int & ((1 << 80) - 1))))
        self.run(
            "INSERT INTO cdc_triggers.event_log (bucket, seq, id, table_id, xid, created_at, op, "
            "schema_name, table_name, new) VALUES (cdc_triggers.event_bucket(%s), "
            "nextval('cdc_triggers.event_seq'), %s, %s, pg_current_xact_id(), %s, %s, 'public', "
            "'orders', %s)",
            *(at, event_id, self.table_id, at, op, new),
        )
        return event_id

    def owe(
        self, event_id: str, trigger_id: int, status: str, name: str = "orders", place: int = 0
    ) -> None:
        self.run(
            "INSERT INTO cdc_triggers.delivery (trigger_id, trigger_name, revision, event_id, "
            "status, reason, key, commit_lsn, position, tries, dead_at, claimed_until, claimed_by, "
            "last_error, bytes, table_id, xid, created_at, op, schema_name, table_name, new) "
            "SELECT %s, %s, 1, id, %s, 'failed', '[1]', '0/10', %s, 3, "
            "CASE WHEN %s = 'dead' THEN now() END, now() + interval '1 hour', gen_random_uuid(), "
            "'status 500', 400, table_id, xid, created_at, op, schema_name, table_name, new "
            "FROM cdc_triggers.event_log WHERE id = %s",
            *(trigger_id, name, status, place, status, event_id),
        )

    def deliver(self, event_id: str, trigger_id: int, name: str = "orders") -> None:
        self.run(
            "INSERT INTO cdc_triggers.attempt (bucket, event_id, trigger_id, trigger_name, attempt,"
            " outcome, started_at, duration_ms, status, request, response, commit_lsn) VALUES "
            "(cdc_triggers.attempt_bucket(now()), %s, %s, %s, 1, 'delivered', now(), 2.5, 200, "
            """'{"url": "{{SHOP_URL}}/orders"}', '{"body": "ok"}', '0/ABC')""",
            *(event_id, trigger_id, name),
        )

    def settle_until(self, age_s: float) -> None:
        self.run(
            "INSERT INTO cdc_triggers.stream (slot_name, settled_at, holder, generation) "
            "VALUES (%s, now() - make_interval(secs => %s), gen_random_uuid(), 7) "
            "ON CONFLICT (slot_name) DO UPDATE SET settled_at = excluded.settled_at, "
            "holder = excluded.holder, generation = excluded.generation, "
            "heartbeat_at = excluded.heartbeat_at",
            *(self.database.slot, age_s),
        )

    def delivery(self, event_id: str) -> dict[str, Any]:
        [(row,)] = self.run(
            "SELECT to_jsonb(d) FROM cdc_triggers.delivery d WHERE event_id = %s", event_id
        )
        return dict(row)


def install(database: Database) -> None:
    with closing(connect(database.dsn, application_name="test")) as connection:
        installer = Installer(connection, slot=database.slot)
        installer.apply(installer.plan((), {}))


def make_shop(database: Database) -> Shop:
    """Install cdc-triggers there, with one captured table and no trigger yet."""
    shop = Shop(database, database.connect())
    shop.run("CREATE TABLE orders (id int PRIMARY KEY, total numeric)")
    install(database)
    [(shop.table_id,)] = shop.run(
        "INSERT INTO cdc_triggers.captured_table (relid, level, key_attnums) "
        "VALUES ('orders', 'statement', '{1}') RETURNING id"
    )
    return shop


@contextmanager
def open_admin(dsn: str) -> Iterator[Administration]:
    with closing(connect(dsn, application_name="test")) as connection:
        yield Administration(PostgresAdmin(connection))


def statuses(admin: Administration, wanted: EventFilter = ALL) -> dict[tuple[str, str | None], str]:
    return {(line.id, line.trigger): line.status for line in admin.events(wanted)}
