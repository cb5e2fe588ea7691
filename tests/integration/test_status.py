"""`status` on real servers: what only PostgreSQL knows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support import databases
from support.operated import make_shop, open_admin

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.databases import Database
    from support.operated import Shop
    from support.servers import Server

    from cdc_triggers.core.views import Status

MIB = 1 << 20


def status_while_written(shop: Shop) -> Status:
    """The status while another session writes some WAL every few milliseconds."""
    done = threading.Event()

    def write() -> None:
        with shop.database.connect() as connection, connection.cursor() as cursor:
            while not done.is_set():
                cursor.execute(
                    "SELECT pg_logical_emit_message(true, 'other', repeat('x', 20000)),"
                    " pg_sleep(0.02)"
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with open_admin(shop.database.dsn) as admin:
            return admin.status(shop.database.slot)
    finally:
        done.set()
        writer.join()


@pytest.fixture
def limited(make_server: Callable[..., Server]) -> Database:
    return databases.create(make_server("18", max_slot_wal_keep_size="64MB"))


def test_how_long_the_slot_will_last_is_measured(limited: Database) -> None:
    slot = status_while_written(make_shop(limited)).slot
    assert slot is not None
    assert slot.safe_wal_size is not None
    assert slot.wal_bytes_per_s is not None
    assert 64 * MIB <= slot.safe_wal_size <= 128 * MIB
    assert 20_000 <= slot.wal_bytes_per_s <= 10 * MIB
    assert slot.seconds_to_loss == pytest.approx(slot.safe_wal_size / slot.wal_bytes_per_s)


def test_without_a_limit_nothing_is_lost_and_nobody_waits_for_a_measurement(
    database: Database,
) -> None:
    slot = status_while_written(make_shop(database)).slot
    assert slot is not None
    assert slot.safe_wal_size is slot.wal_bytes_per_s is slot.seconds_to_loss is None


def test_take_overs_recoveries_and_totals_are_told(database: Database) -> None:
    shop = make_shop(database)
    orders, other = shop.trigger("orders"), shop.trigger("other")
    shop.owe(shop.event(90), orders, "parked")
    shop.owe(shop.event(500), other, "parked", "other")
    shop.owe(shop.event(7_000), orders, "dead")
    shop.settle_until(1)
    shop.run(
        "UPDATE cdc_triggers.stream SET takeovers = 4, recoveries = 2, recovered = 31,"
        " recovering = true, recovery_reason = 'the slot was dropped'"
    )
    with open_admin(database.dsn) as admin:
        found = admin.status(database.slot)
    assert found.stream is not None
    stream = found.stream
    assert (stream.takeovers, stream.recoveries, stream.recovered) == (4, 2, 31)
    assert (stream.recovering, stream.recovery_reason) == (True, "the slot was dropped")
    assert (found.parked, found.dead) == (2, 1)
    assert 500 <= (found.oldest_unsettled_age_s or 0) < 7_000


def test_status_works_on_a_schema_from_before_recoveries(database: Database) -> None:
    shop = make_shop(database)
    shop.settle_until(1)
    shop.run(
        "ALTER TABLE cdc_triggers.stream DROP recoveries, DROP recovered, DROP recovering,"
        " DROP recovery_reason"
    )
    with open_admin(database.dsn) as admin:
        stream = admin.status(database.slot).stream
    assert stream is not None
    assert (stream.recoveries, stream.recovered, stream.recovering) == (0, 0, False)
    assert stream.recovery_reason is None
