"""Applying triggers to a test's database, and seeing all that is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdc_triggers.postgres.capture import Installer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2 import sql

    from cdc_triggers.core.plan import Plan
    from cdc_triggers.core.spec import Trigger
    from support.databases import Database

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)"

EVERYTHING = """
SELECT 'relation', n.nspname || '.' || c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_toast'
UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'publication', pubname FROM pg_publication
UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname !~ '^pg_'
UNION ALL SELECT 'slot', slot_name FROM pg_replication_slots WHERE database = current_database()
ORDER BY 1, 2"""


def run(connection: Any, statement: str | sql.Composable, *args: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, args or None)
        return [] if cursor.description is None else cursor.fetchall()


def installer(database: Database, connection: Any, **options: Any) -> Installer:
    options.setdefault("lock_timeout_ms", 200)
    return Installer(connection, slot=database.slot, pause=lambda _: None, **options)


def apply(database: Database, connection: Any, *specs: Trigger) -> Plan:
    it = installer(database, connection)
    return it.apply(it.plan(specs, {})).plan


def problems(database: Database, connection: Any, *specs: Trigger) -> Sequence[str]:
    sources = {spec.name: f"t.yaml:{number}" for number, spec in enumerate(specs, 1)}
    return installer(database, connection).plan(specs, sources).problems
