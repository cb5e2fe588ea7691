"""Which numbered migrations are applied, and applying the rest.

Migrations are `sql/migrations/NNNN_pre_NAME.sql` (before a deploy) and `_post_` (after it), applied
in the order of their numbers. A released one is never edited.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.queries import has_table, query

if TYPE_CHECKING:
    from psycopg2 import extensions

_FILE: Final = re.compile(r"(\d{4})_((?:pre|post)_\w+)\.sql")


class Migration(NamedTuple):
    """One step from a schema to the next."""

    number: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations of this version, in order."""
    folder = files("cdc_triggers") / "sql" / "migrations"
    found = [
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _FILE.fullmatch(file.name))
    ]
    return tuple(sorted(found))


def pending(connection: extensions.connection) -> tuple[Migration, ...]:
    """What `migrate` would apply.

    Raises:
        DatabaseError: the database's schema is of a newer version than this program.
    """
    with connection.cursor() as cursor:
        return _pending(cursor)


def migrate(connection: extensions.connection) -> tuple[Migration, ...]:
    """Apply what is pending, in the caller's transaction; a second applier waits for its end."""
    with connection.cursor() as cursor:
        cursor.execute(query("apply_lock"))
        todo = _pending(cursor)
        if not todo:
            return ()
        if not _schema_exists(cursor):
            cursor.execute("CREATE SCHEMA cdc_triggers")
        if todo[0].number == 1:
            cursor.execute(query("apply_migration_table"))
        for each in todo:
            cursor.execute(each.sql)
            cursor.execute(query("apply_migrated"), {"number": each.number, "name": each.name})
    return todo


def _pending(cursor: extensions.cursor) -> tuple[Migration, ...]:
    done = _done(cursor)
    newest = migrations()[-1].number
    if done and max(done) > newest:
        raise DatabaseError(
            f"schema cdc_triggers is at migration {max(done)}, this program knows {newest}",
            hint="upgrade cdc-triggers to the version that applied it",
        )
    return tuple(each for each in migrations() if each.number not in done)


def _done(cursor: extensions.cursor) -> frozenset[int]:
    if not has_table(cursor, "migration"):
        return frozenset()
    cursor.execute("SELECT number FROM cdc_triggers.migration")
    return frozenset(number for (number,) in cursor)


def _schema_exists(cursor: extensions.cursor) -> bool:
    cursor.execute("SELECT pg_catalog.to_regnamespace('cdc_triggers') IS NOT NULL")
    return cursor.fetchone() == (True,)
