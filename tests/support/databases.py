"""A fresh database for one test, and the proof afterwards that the test left nothing behind."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import sql

from support.waiting import wait_until

if TYPE_CHECKING:
    from support.servers import Server


@dataclass
class Database:
    """`name` is unique; `slot` is a slot name for this test alone (the slot is not made)."""

    server: Server
    name: str
    connections: list[Any] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return self.server.dsn_of(self.name)

    @property
    def slot(self) -> str:
        return f"{self.name}_slot"

    def dsn_as(self, role: str) -> str:
        return self.server.dsn_of(self.name, role)

    def connect(self, role: str | None = None, **options: Any) -> Any:
        """An autocommit psycopg2 connection, closed at the end of the test at the latest."""
        dsn = self.dsn if role is None else self.dsn_as(role)
        options.setdefault("application_name", "test")
        connection = psycopg2.connect(dsn, **options)
        connection.autocommit = True
        self.connections.append(connection)
        return connection

    def execute(self, statement: str | sql.Composable, *args: object) -> list[tuple[Any, ...]]:
        """Run it on a connection of its own; the rows, or an empty list."""
        return _run(self.dsn, statement, *args)

    def role(self, *attributes: str) -> str:
        """A new role that may log in, dropped with the database; `attributes` as in CREATE ROLE."""
        name = f"r_{uuid.uuid4().hex[:10]}"
        words = sql.SQL(" ").join(sql.SQL(word) for word in ("LOGIN", *attributes))
        _run(self.server.dsn, sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), words))
        self.roles.append(name)
        return name

    def drop(self) -> None:
        """End what is left of the test, drop the database, and assert that all is gone."""
        for connection in self.connections:
            connection.close()
        self._roll_back_prepared()
        dsn = self.server.dsn
        _run(dsn, _ALLOW_NO_MORE, self.name)
        wait_until(lambda: not _run(dsn, _TERMINATE, self.name), what="no backend is left")
        wait_until(lambda: not _run(dsn, _READ_SLOTS, self.name), what="nobody reads a slot")
        _run(dsn, _DROP_SLOTS, self.name)
        _run(
            dsn,
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)),
        )
        for role in self.roles:
            _run(dsn, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        left = _run(dsn, _LEFT, {"database": self.name, "roles": self.roles})
        assert not left, f"the test left behind: {left}"

    def _roll_back_prepared(self) -> None:
        """Only a session of the same database may roll back its prepared transactions."""
        query = "SELECT gid FROM pg_prepared_xacts WHERE database = %s"
        for (gid,) in _run(self.server.dsn, query, self.name):
            _run(self.dsn, "ROLLBACK PREPARED %s", gid)


def create(server: Server, options: str = "") -> Database:
    """Create a database with a unique name; `options` as in CREATE DATABASE."""
    database = Database(server, f"t_{uuid.uuid4().hex[:12]}")
    create_it = sql.SQL("CREATE DATABASE {} " + options)
    _run(server.dsn, create_it.format(sql.Identifier(database.name)))
    return database


_ALLOW_NO_MORE = "UPDATE pg_database SET datallowconn = false WHERE datname = %s"

# Walsenders of logical slots have a datname too.
_TERMINATE = """
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = %s AND pid <> pg_backend_pid()"""

# Before PostgreSQL 15 a backend is gone from pg_stat_activity a moment before its slot is free.
_READ_SLOTS = "SELECT FROM pg_replication_slots WHERE database = %s AND active"

_DROP_SLOTS = (
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s"
)

_LEFT = """
SELECT 'slot', slot_name::text FROM pg_replication_slots WHERE database = %(database)s
UNION ALL SELECT 'backend', pid::text FROM pg_stat_activity WHERE datname = %(database)s
UNION ALL SELECT 'database', datname::text FROM pg_database WHERE datname = %(database)s
UNION ALL SELECT 'prepared transaction', gid FROM pg_prepared_xacts WHERE database = %(database)s
UNION ALL SELECT 'role', rolname::text FROM pg_roles WHERE rolname = ANY (%(roles)s)"""


def _run(dsn: str, statement: str | sql.Composable, *args: Any) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(dsn, application_name="test")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            named = len(args) == 1 and isinstance(args[0], dict)
            cursor.execute(statement, (args[0] if named else args) or None)
            return [] if cursor.description is None else cursor.fetchall()
    finally:
        connection.close()
