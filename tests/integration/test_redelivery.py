from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.operated import Shop, make_shop, open_admin
from support.waiting import wait_until

from cdc_triggers.app import redelivery
from cdc_triggers.core.dead import DeadAsked
from cdc_triggers.errors import NotFoundError, UsageError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

    from cdc_triggers.app.admin import Administration
    from cdc_triggers.core.views import Redelivery


@pytest.fixture
def shop(database: Database) -> Shop:
    return make_shop(database)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows in a transaction."""
    monkeypatch.setattr(redelivery, "STEP", 2)


@pytest.fixture
def admin(shop: Shop) -> Iterator[Administration]:
    with open_admin(shop.database.dsn) as administration:
        yield administration


def redeliver_dead(shop: Shop, name: str, since: datetime | None, *, dry_run: bool) -> Redelivery:
    asked = DeadAsked(name, None, since, None)
    return operating.redeliver_dead(shop.database.dsn, asked, dry_run=dry_run)


def test_a_redelivered_dead_delivery_is_due_at_once_with_its_id_and_no_tries(
    shop: Shop, admin: Administration
) -> None:
    event_id = shop.event()
    shop.owe(event_id, shop.trigger("orders"), "dead")
    assert admin.redeliver([event_id], dry_run=True) == (1, 0)
    assert shop.delivery(event_id)["status"] == "dead"
    assert admin.redeliver([event_id.upper(), event_id], dry_run=False) == (1, 0)
    row = shop.delivery(event_id)
    assert (row["status"], row["reason"], row["tries"]) == ("parked", "redelivered", 0)
    assert (row["claimed_until"], row["claimed_by"], row["dead_at"]) == (None, None, None)
    assert datetime.fromisoformat(row["due_at"]) <= datetime.now(UTC)
    assert admin.redeliver([event_id], dry_run=False) == (0, 1)


def test_a_redelivered_delivered_event_is_owed_again_as_a_copy(
    shop: Shop, admin: Administration
) -> None:
    event_id = shop.event(new='{"id":1,"total":1.10}')
    shop.deliver(event_id, shop.trigger("orders"))
    assert admin.redeliver([event_id], dry_run=True) == (1, 0)
    assert admin.redeliver([event_id], dry_run=False) == (1, 0)
    row = shop.delivery(event_id)
    assert (row["status"], row["key"], row["commit_lsn"]) == ("parked", None, "0/ABC")
    assert admin.event(event_id).event.new == '{"id":1,"total":1.10}'


def test_only_the_failed_trigger_of_an_event_gets_it_again(
    shop: Shop, admin: Administration
) -> None:
    good, bad = shop.trigger("good"), shop.trigger("bad")
    event_id = shop.event()
    shop.deliver(event_id, good, "good")
    shop.owe(event_id, bad, "dead", "bad")
    assert admin.redeliver([event_id], dry_run=False) == (1, 0)
    assert shop.delivery(event_id)["trigger_name"] == "bad"


@pytest.mark.usefixtures("small_steps")
def test_mass_redelivery_goes_in_steps_and_leaves_other_triggers_alone(shop: Shop) -> None:
    orders, other = shop.trigger("orders"), shop.trigger("other")
    for _ in range(7):
        shop.owe(shop.event(), orders, "dead")
    shop.owe(shop.event(7200), orders, "dead")
    shop.owe(shop.event(), other, "dead", "other")
    since = datetime.now(UTC) - timedelta(hours=1)
    assert redeliver_dead(shop, "orders", since, dry_run=True).redelivered == 7
    assert redeliver_dead(shop, "orders", since, dry_run=False).redelivered == 7
    assert redeliver_dead(shop, "orders", None, dry_run=False).redelivered == 1
    assert shop.run("SELECT trigger_name FROM cdc_triggers.delivery WHERE status = 'dead'") == [
        ("other",)
    ]


@pytest.mark.usefixtures("small_steps")
def test_redelivered_events_of_one_key_keep_their_order_and_do_not_cut_in(shop: Shop) -> None:
    orders = shop.trigger("orders")
    shop.settle_until(60)
    before, parked, behind, last = (shop.event(age) for age in (40, 30, 20, 10))
    for place, event_id in enumerate((before, parked, behind, last)):
        status = "parked" if event_id == parked else "dead"
        shop.owe(event_id, orders, status, place=place)
    assert redeliver_dead(shop, "orders", None, dry_run=False).redelivered == 3
    alone = shop.delivery(before)
    assert (alone["key"], alone["due_at"] is None) == (None, False)
    for event_id in (behind, last):
        follower = shop.delivery(event_id)
        assert (follower["key"], follower["due_at"]) == ("[1]", None)


def test_the_first_of_several_redelivered_events_of_a_key_is_due_the_others_follow(
    shop: Shop,
) -> None:
    orders = shop.trigger("orders")
    events = [shop.event(age) for age in (30, 20, 10)]
    for place, event_id in enumerate(events):
        shop.owe(event_id, orders, "dead", place=place)
    assert redeliver_dead(shop, "orders", None, dry_run=False).redelivered == 3
    rows = [shop.delivery(event_id) for event_id in events]
    assert [row["due_at"] is not None for row in rows] == [True, False, False]
    assert {row["key"] for row in rows} == {"[1]"}


def test_ids_are_all_checked_before_the_first_is_redelivered(
    shop: Shop, admin: Administration
) -> None:
    dead = shop.event(40)
    shop.owe(dead, shop.trigger("orders"), "dead")
    archived = shop.event(30)
    shop.owe(archived, 999, "dead", "gone")
    pending = shop.event()
    shop.settle_until(20)
    with pytest.raises(UsageError, match="not an event id"):
        admin.redeliver([dead, "12"], dry_run=False)
    with pytest.raises(NotFoundError, match="no event"):
        admin.redeliver([dead, str(uuid.uuid4())], dry_run=False)
    with pytest.raises(NotFoundError, match="archived: its trigger gone was dropped"):
        admin.redeliver([dead, archived], dry_run=False)
    with pytest.raises(UsageError, match="never delivered"):
        admin.redeliver([dead, pending], dry_run=False)
    assert shop.delivery(dead)["status"] == "dead"


def blocked_by(database: Database, pid: int) -> list[int]:
    """Who waits for what that session holds."""
    found = database.execute(
        "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", pid
    )
    return [waiting for (waiting,) in found]


def test_two_redeliveries_beside_several_slots_take_turns_wherever_the_slots_rows_are(
    shop: Shop,
) -> None:
    """Every heartbeat moves a stream's row: each would meet the rows in another order."""
    for name in ("one", "two"):
        shop.owe(shop.event(), shop.trigger(name), "dead", name)
    shop.run("DELETE FROM cdc_triggers.stream")
    shop.run("INSERT INTO cdc_triggers.stream (slot_name) VALUES ('a'), ('c'), ('b')")
    move = "UPDATE cdc_triggers.stream SET heartbeat_at = now() WHERE slot_name = %s"
    a, c = shop.database.connect(), shop.database.connect()

    def redeliver(name: str) -> int:
        return redeliver_dead(shop, name, None, dry_run=False).redelivered

    with ThreadPoolExecutor() as pool, a.cursor() as of_a, c.cursor() as of_c:
        of_a.execute("BEGIN")
        of_a.execute(move, ["a"])
        first = pool.submit(redeliver, "one")
        (pid,) = wait_until(lambda: blocked_by(shop.database, a.info.backend_pid))
        of_c.execute(move, ["c"])
        of_c.execute("BEGIN")
        of_c.execute(move, ["c"])
        of_a.execute("COMMIT")
        wait_until(lambda: blocked_by(shop.database, c.info.backend_pid))
        second = pool.submit(redeliver, "two")
        wait_until(lambda: blocked_by(shop.database, pid))
        of_c.execute("COMMIT")
        assert (first.result(20), second.result(20)) == (1, 1)
