"""A shop with a past: old events, deliveries and attempts, as a clean-up finds them."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from cdc_triggers.app.cleanup import CleanUps
from cdc_triggers.postgres.cleaning import SETTINGS, PostgresCleaning
from cdc_triggers.postgres.connect import connect
from support.operated import make_shop
from support.streaming import wait_confirmed
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.operated import Shop

HOUR = 3600
DAY = 24 * HOUR

AGE = """
UPDATE cdc_triggers.event_log SET created_at = created_at - interval '2 days';
UPDATE cdc_triggers.attempt SET started_at = started_at - interval '2 days';
UPDATE cdc_triggers.delivery SET dead_at = dead_at - interval '2 days';
UPDATE cdc_triggers.cleanup SET scheduled_at = scheduled_at - interval '2 days';
UPDATE cdc_triggers.trigger SET updated_at = updated_at - interval '2 days';
"""
"""All that there is, two days earlier: an hourly clean-up is due."""


def cleanup_config(**keys: Any) -> dict[str, Any]:
    """Every day at 03:00, what is older than a day."""
    return {"schedule": "0 3 * * *", "clear_older_than": 24, **keys}


@contextmanager
def cleaning(database: Database) -> Iterator[CleanUps]:
    """What commands and calls use."""
    with closing(connect(database.dsn, application_name="test", options=SETTINGS)) as connection:
        yield CleanUps(PostgresCleaning(connection), lambda _: None)


def settle(shop: Shop) -> None:
    """A stream has settled all that is committed now, and its slot needs none of it any more."""
    shop.settle_until(0)
    shop.run("UPDATE cdc_triggers.stream SET settled_snapshot = pg_current_snapshot()")


def wait_forgotten(database: Database) -> None:
    """Until the slot needs nothing of what is in the log; a stream runs, and all is settled."""
    passed = (
        "SELECT restart_lsn > (SELECT max(commit_lsn) FROM cdc_triggers.attempt) "
        "AND NOT EXISTS (SELECT FROM cdc_triggers.event_log "
        "WHERE NOT pg_visible_in_snapshot(xid, settled_snapshot)) "
        "FROM pg_replication_slots JOIN cdc_triggers.stream USING (slot_name) WHERE slot_name = %s"
    )

    def forgotten() -> bool:
        database.execute("CHECKPOINT")  # logs what runs, without which restart_lsn stays
        database.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 32768))")
        wait_confirmed(database)
        return database.execute(passed, database.slot) == [(True,)]

    wait_until(forgotten, 60, "the slot needs nothing of it")


def old_shop(database: Database) -> Shop:
    """A shop of which everything is settled."""
    shop = make_shop(database)
    settle(shop)
    return shop


def dead(shop: Shop, trigger_id: int, age_s: float, name: str = "orders") -> str:
    """An event of that age whose delivery died then."""
    event_id = shop.event(age_s)
    shop.owe(event_id, trigger_id, "dead", name)
    shop.run(
        "UPDATE cdc_triggers.delivery SET dead_at = now() - make_interval(secs => %s) "
        "WHERE event_id = %s",
        *(age_s, event_id),
    )
    return event_id


def delivered(shop: Shop, trigger_id: int, age_s: float, name: str = "orders") -> str:
    """An event of that age that was delivered then."""
    event_id = shop.event(age_s)
    shop.deliver(event_id, trigger_id, name)
    shop.run(
        "UPDATE cdc_triggers.attempt SET started_at = now() - make_interval(secs => %s) "
        "WHERE event_id = %s",
        *(age_s, event_id),
    )
    return event_id


def ids(shop: Shop, table: str) -> set[str]:
    """The events that have rows there."""
    column = "id" if table == "event_log" else "event_id"
    return {row[0] for row in shop.run(f"SELECT {column}::text FROM cdc_triggers.{table}")}
