"""A synchronous standby is gone: commits are decoded, and nobody else sees them yet."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.live import streaming
from support.waiting import wait_until

from cdc_triggers.app.streamer import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from support.databases import Database
    from support.live import Live

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"
WAITS = "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event = 'SyncRep'"


def heartbeat(database: Database) -> datetime:
    """When the stream last said that it is alive."""
    ((at,),) = database.execute("SELECT heartbeat_at FROM cdc_triggers.stream")
    assert at is not None
    return at  # type: ignore[no-any-return]


def name_standby(database: Database, name: str) -> None:
    """Have commits wait for a standby of this name; empty: for none."""
    database.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    database.execute("SELECT pg_reload_conf()")
    wait_until(
        lambda: database.execute("SHOW synchronous_standby_names") == [(name,)],
        what="the server has read it",
    )


@contextmanager
def pausing_without_end(live: Live) -> Iterator[None]:
    """A pause whose commit is written, and waits for a standby that is not there."""
    name_standby(live.database, "gone")
    pausing = threading.Thread(target=live.pause, kwargs={"paused": True})
    pausing.start()
    try:
        wait_until(lambda: live.database.execute(WAITS, live.database.name), what="the pause waits")
        yield
    finally:
        name_standby(live.database, "")
        pausing.join(20)


@pytest.mark.timeout(120)
def test_a_change_of_triggers_that_nobody_sees_yet_costs_the_stream_no_lease(
    own_database: Database,
) -> None:
    with streaming(own_database, ORDERS) as live:
        live.run("INSERT INTO orders VALUES (1)")
        assert len(live.bodies()) == 1
        loaded = live.stream.log.count("triggers.loaded")
        with pausing_without_end(live):
            longer = heartbeat(own_database) + timedelta(seconds=1.5 * LEASE_S)
            wait_until(
                lambda: heartbeat(own_database) > longer or "interrupted" in live.stream.log,
                4 * LEASE_S,
                "the stream lives for longer than its lease",
            )
            assert "stream.interrupted" not in live.stream.log
            assert live.stream.log.count("triggers.waiting") == 1
            assert live.stream.log.count("triggers.loaded") == loaded
        wait_until(
            lambda: live.stream.log.count("triggers.loaded") > loaded, what="the pause is seen"
        )
