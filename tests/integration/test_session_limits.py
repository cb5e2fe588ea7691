"""Limits that the role or the database sets are made for other work than the stream's."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.capturing import capture, run
from support.specs import trigger
from support.waiting import wait_until

from cdc_triggers.core.lsn import ZERO
from cdc_triggers.core.messages import LogRow
from cdc_triggers.postgres.cleaning import PostgresCleaning
from cdc_triggers.postgres.connect import connect_replication
from cdc_triggers.postgres.replication import ReplicationSource
from cdc_triggers.wiring.cleaning import open_cleanups

if TYPE_CHECKING:
    from support.databases import Database

ROWS = 20_000
"""Some 20 MB: more than the sockets hold, so that the server waits in the middle of them."""


@pytest.mark.servers("18")
def test_a_transaction_is_read_to_its_end_however_long_that_takes(database: Database) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int, note text)")
    run(it, "INSERT INTO orders SELECT i, repeat('x', 1000) FROM generate_series(1, %s) i", ROWS)
    run(it, f"ALTER DATABASE {database.name} SET transaction_timeout = '300ms'")
    waits = """
        SELECT clock_timestamp() FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event = 'WalSenderWriteData'"""
    late = f"{waits} AND clock_timestamp() > %s + interval '600 ms'"
    with closing(ReplicationSource(database.dsn)) as source:
        source.start(database.slot, "pgoutput", ZERO)
        [(since,)] = wait_until(lambda: run(it, waits), what="the server is in the middle")
        wait_until(lambda: run(it, late, since), what="it is still there, and the limit is over")
        found = 0

        def read_all() -> bool:
            nonlocal found
            found += sum(type(message) is LogRow for message in source.read(256))
            return found == ROWS

        wait_until(read_all, what="all rows are read")


@pytest.mark.servers("18", "16")
def test_no_session_of_the_streams_has_a_limit_that_it_did_not_set(database: Database) -> None:
    capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    database.execute(f"ALTER DATABASE {database.name} SET statement_timeout = '1s'")
    database.execute(f"ALTER DATABASE {database.name} SET lock_timeout = '1s'")
    asked = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
    with open_cleanups(database.dsn) as cleanups:
        assert isinstance(cleanups.store, PostgresCleaning)
        assert run(cleanups.store._connection, asked) == [("0", "2s")]
    with closing(connect_replication(database.dsn)) as connection:
        assert run(connection, asked) == [("0", "0")]
