"""A stream that could write nothing says so, and is no standby that never takes over."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.streaming import StreamProcess, apply, trigger

from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from support.databases import Database

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"
FORBID = (
    "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$",
    "CREATE TRIGGER forbid BEFORE INSERT ON cdc_triggers.stream EXECUTE FUNCTION forbid()",
)


def applied(database: Database) -> Database:
    database.execute(ORDERS)
    apply(database, trigger("watched", "orders", "http://127.0.0.1:9/"))
    return database


def store(database: Database, role: str | None = None) -> PostgresStore:
    dsn = database.dsn if role is None else database.dsn_as(role)
    return PostgresStore(dsn, database.slot, str(uuid.uuid4()))


def reader(database: Database) -> str:
    """A role that may read all that a stream reads."""
    role = database.role("REPLICATION")
    database.execute(f"GRANT USAGE ON SCHEMA cdc_triggers TO {role}")
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA cdc_triggers TO {role}")
    return role


def read_only(database: Database) -> str:
    """A role that may do everything, and whose transactions are read-only."""
    role = database.role("SUPERUSER")
    database.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    return role


def test_a_role_that_may_only_read_is_refused_also_while_another_stream_leads(
    database: Database,
) -> None:
    role = reader(applied(database))
    with closing(store(database)) as leader, closing(store(database, role)) as other:
        assert leader.take_lease(10.0) is not None
        with pytest.raises(DatabaseError, match=f"role '{role}' lacks INSERT on") as caught:
            other.take_lease(10.0)
        assert "cdc_triggers.stream" in caught.value.message
        assert "doctor" in caught.value.hint


def test_a_role_of_read_only_transactions_is_refused_and_told_where_that_is_set(
    database: Database,
) -> None:
    role = read_only(applied(database))
    with closing(store(database)) as leader, closing(store(database, role)) as other:
        assert leader.take_lease(10.0) is not None
        with pytest.raises(DatabaseError, match="default_transaction_read_only is on") as caught:
            other.take_lease(10.0)
        assert role in caught.value.message
        assert f"ALTER ROLE {role} SET default_transaction_read_only = off" in caught.value.hint


def test_a_stream_with_such_a_role_ends_with_an_error(database: Database) -> None:
    role = read_only(applied(database))
    with closing(store(database)) as leader:
        assert leader.take_lease(10.0) is not None
        stream = StreamProcess(database, dsn=database.dsn_as(role)).start(wait=False)
        try:
            assert stream.wait(20) == 1
        finally:
            stream.kill()
    assert "default_transaction_read_only" in stream.log
    assert "Traceback" not in stream.log


def test_a_lease_that_cannot_be_written_down_is_kept_from_nobody(database: Database) -> None:
    applied(database)
    with closing(store(database)) as unlucky, closing(store(database)) as other:
        for statement in FORBID:
            database.execute(statement)
        with pytest.raises(DatabaseError, match="not now"):
            unlucky.take_lease(10.0)
        database.execute("DROP FUNCTION forbid CASCADE")
        assert other.take_lease(10.0) is not None
