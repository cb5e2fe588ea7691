"""A chain whose head has no time gets one when a stream starts, however long the chain is."""

from __future__ import annotations

import random
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.streaming import apply, trigger

from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from support.databases import Database

Keys = tuple[str | None, str | None]

LONG = 20_000
"""Compared each with each, that many rows take more than a minute."""

PARK = """
INSERT INTO cdc_triggers.delivery
    (trigger_id, trigger_name, revision, event_id, status, reason, key, old_key, commit_lsn,
     position, tries, bytes, table_id, xid, created_at, op, schema_name, table_name)
SELECT 1, 'owed', 1, gen_random_uuid(), 'parked', 'behind', {key}, {old_key}, '0/1', {position},
       0, 100, 1, '1', now(), 'INSERT', 'public', 'orders'
"""
TIMED = "SELECT position FROM cdc_triggers.delivery WHERE due_at IS NOT NULL ORDER BY position"


@pytest.fixture
def applied(database: Database) -> Database:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    apply(database, trigger("owed", "orders", "http://127.0.0.1:9/"))
    return database


def start(database: Database) -> None:
    """What a stream does before anything else."""
    with closing(PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))) as store:
        assert store.take_lease(10.0) is not None


def quoted(key: str | None) -> str:
    return "NULL" if key is None else f"'{key}'"


def heads(rows: list[Keys]) -> list[tuple[int]]:
    """Places of those that no earlier one stands before in any of their chains."""
    seen: set[str] = set()
    found = []
    for place, keys in enumerate(rows):
        own = {key for key in keys if key is not None}
        if not own & seen:
            found.append((place,))
        seen |= own
    return found


def test_the_heads_get_a_time_and_nobody_behind_them_does(applied: Database) -> None:
    chance = random.Random(20_251_124)
    for _ in range(20):
        applied.execute("TRUNCATE cdc_triggers.delivery")
        rows: list[Keys] = []
        for place in range(chance.randint(1, 12)):
            key = chance.choice(["a", "b", "c", "d", None])
            old = chance.choice([None, None, "a", "b", "e"]) if key is not None else None
            rows.append((key, None if old == key else old))
            key_sql, old_sql = map(quoted, rows[-1])
            applied.execute(PARK.format(key=key_sql, old_key=old_sql, position=place))
        start(applied)
        assert applied.execute(TIMED) == heads(rows), rows


@pytest.mark.parametrize("timed", [1, 0], ids=["with-a-time", "without"])
def test_a_start_takes_no_time_for_a_long_chain(applied: Database, timed: int) -> None:
    applied.execute(
        PARK.format(key="'*'", old_key="NULL", position="n")
        + f"FROM generate_series(0, {LONG}) n ORDER BY n"
    )
    applied.execute(f"UPDATE cdc_triggers.delivery SET due_at = now() WHERE position < {timed}")
    applied.execute("ANALYZE cdc_triggers.delivery")
    began = time.monotonic()
    start(applied)
    assert time.monotonic() - began < 10
    assert applied.execute(TIMED) == [(0,)]
