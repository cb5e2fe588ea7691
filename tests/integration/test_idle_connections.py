"""Connections that are kept between two uses: as good as new, or not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest

from cdc_triggers.postgres.idle import Idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection
    from support.databases import Database

OPTIONS = {"lock_timeout": "3s"}


@pytest.fixture
def idle() -> Iterator[Idle]:
    found = Idle()
    yield found
    found.close()


def pid(found: connection) -> int:
    with found.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), current_setting('lock_timeout')")
        ((number, timeout),) = cursor.fetchall()
        assert timeout == "3s"
        return int(number)


def used(idle: Idle, database: Database) -> int:
    with idle.use(database.dsn, "test", OPTIONS) as found:
        return pid(found)


def fail(idle: Idle, database: Database) -> None:
    with idle.use(database.dsn, "test", OPTIONS) as found, found.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def test_the_next_use_has_the_same_session_out_of_any_transaction(
    idle: Idle, database: Database
) -> None:
    with idle.use(database.dsn, "test", OPTIONS) as found:
        first = pid(found)
        found.autocommit = False
        pid(found)
    with idle.use(database.dsn, "test", OPTIONS) as found:
        assert found.autocommit
        assert pid(found) == first
        with idle.use(database.dsn, "test", OPTIONS) as beside:
            assert pid(beside) != first
    assert [found.closed, beside.closed].count(0) == 1


def test_a_session_that_ended_or_failed_is_not_used_again(idle: Idle, database: Database) -> None:
    first = used(idle, database)
    database.execute("SELECT pg_terminate_backend(%s)", first)
    second = used(idle, database)
    assert second != first
    with pytest.raises(psycopg2.errors.DivisionByZero):
        fail(idle, database)
    assert used(idle, database) != second


def test_none_is_kept_after_the_end(idle: Idle, database: Database) -> None:
    with idle.use(database.dsn, "test", OPTIONS) as found:
        idle.close()
    assert found.closed
