"""A synchronous standby is gone: commits are decoded, and nobody else sees them yet."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.live import streaming
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.app.streamer import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from support.databases import Database

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
def without_end(database: Database, change: Callable[[], None]) -> Iterator[None]:
    """A change whose commit is written, and waits for a standby that is not there."""
    name_standby(database, "gone")
    changing = threading.Thread(target=change)
    changing.start()
    try:
        wait_until(lambda: database.execute(WAITS, database.name), what="the change waits")
        yield
    finally:
        name_standby(database, "")
        changing.join(20)


@pytest.mark.timeout(120)
def test_a_change_of_triggers_that_nobody_sees_yet_costs_the_stream_no_lease(
    own_database: Database,
) -> None:
    with streaming(own_database, ORDERS) as live:
        live.run("INSERT INTO orders VALUES (1)")
        assert len(live.bodies()) == 1
        loaded = live.stream.log.count("triggers.loaded")
        with without_end(own_database, lambda: live.pause(paused=True)):
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


BLOCKS = "SELECT FROM pg_locks WHERE %s = ANY (pg_blocking_pids(pid))"
BY_THE_LOG = """
SELECT FROM pg_stat_activity
 WHERE application_name = 'cdc-triggers recovery'
   AND (wait_event = 'SyncRep' OR query LIKE '-- Do others see all%')"""


@pytest.mark.timeout(120)
def test_a_recovery_goes_by_triggers_whose_commit_nobody_sees_yet(own_database: Database) -> None:
    """It is a part of the new slot's snapshot, and so no signal of it comes out of the slot."""
    run = own_database.execute
    run(ORDERS)
    first, second = own_database.connect(), own_database.connect()
    with Endpoint() as old, Endpoint() as new, first.cursor() as one, second.cursor() as two:
        specs = trigger("old", "orders", old.url), trigger("new", "orders", new.url)
        apply(own_database, specs[0])
        run("SELECT pg_drop_replication_slot(%s)", own_database.slot)
        one.execute("BEGIN; INSERT INTO orders VALUES (1)")
        with StreamProcess(own_database).start(wait=False):
            wait_until(lambda: run(BLOCKS, first.info.backend_pid), what="the slot waits")
            two.execute(
                "BEGIN; SET LOCAL synchronous_commit = local; INSERT INTO orders VALUES (2)"
            )
            one.execute("COMMIT")
            wait_until(lambda: run(BLOCKS, second.info.backend_pid), what="it waits again")
            with without_end(own_database, lambda: apply(own_database, *specs)):
                two.execute("COMMIT")
                wait_until(lambda: run(BY_THE_LOG), what="it reads the triggers, or waits for them")
            wait_settled(own_database)
        assert {b["event"]["data"]["new"]["id"] for b in old.bodies} == {1, 2}
        assert {b["event"]["data"]["new"]["id"] for b in new.bodies} == {2}
