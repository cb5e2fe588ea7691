"""A clean-up takes what is old and done, never what is owed or needed, and waits for nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.cleaning import (
    DAY,
    HOUR,
    cleaning,
    cleanup_config,
    dead,
    delivered,
    ids,
    old_shop,
    settle,
)
from support.databases import Database
from support.operated import make_shop
from support.waiting import wait_until

from cdc_triggers.app.cleanup import Wanted
from cdc_triggers.errors import BlockedError, DatabaseError, NotFoundError, UsageError
from cdc_triggers.postgres.amending import Amender
from cdc_triggers.postgres.capture import Installer

ALL = Wanted(None, "command")


def test_it_takes_what_is_dead_or_delivered_and_old_and_nothing_else(database: Database) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config(clean_invocation_logs=True))
    old = {dead(shop, it, 2 * DAY), delivered(shop, it, 2 * DAY)}
    young = {dead(shop, it, HOUR), delivered(shop, it, HOUR)}
    parked = shop.event(2 * DAY)
    shop.owe(parked, it, "parked")
    died_late = dead(shop, it, 2 * DAY)
    shop.run("UPDATE cdc_triggers.delivery SET dead_at = now() WHERE event_id = %s", died_late)
    settle(shop)
    with cleaning(database) as cleanups:
        expected = cleanups.preview(ALL)
        assert cleanups.run(ALL) == expected == [("orders", 1 + 4, 1)]
        assert cleanups.run(ALL) == [("orders", 0, 0)]
    assert ids(shop, "delivery") == (young & ids(shop, "delivery")) | {parked, died_late}
    assert ids(shop, "event_log") == young
    assert len(ids(shop, "delivery")) == 3
    assert ids(shop, "attempt") <= young
    assert not ids(shop, "attempt") & old


def test_an_event_stays_until_the_last_trigger_of_its_table_lets_it_go(database: Database) -> None:
    shop = old_shop(database)
    day = shop.trigger("day", cleanup_config=cleanup_config(clean_invocation_logs=True))
    week = shop.trigger("week", cleanup_config=cleanup_config(clear_older_than=168))
    events = [shop.event(days * DAY) for days in (3, 8)]
    for event_id in events:
        for trigger_id, name in ((day, "day"), (week, "week")):
            shop.deliver(event_id, trigger_id, name)
    shop.run("UPDATE cdc_triggers.attempt SET started_at = now() - interval '3 days'")
    settle(shop)
    with cleaning(database) as cleanups:
        assert cleanups.run(ALL) == [("day", 1, 2), ("week", 0, 0)]
        assert ids(shop, "event_log") == {events[0]}
        assert shop.run("SELECT DISTINCT trigger_name FROM cdc_triggers.attempt") == [("week",)]
        shop.trigger("keeps")
        assert cleanups.run(ALL._replace(older_than=timedelta(hours=1), names=["day"])) == [
            ("day", 0, 0)
        ]
        assert cleanups.run(ALL._replace(older_than=timedelta(hours=1))) == [
            *(("day", 1, 0), ("keeps", 0, 0), ("week", 0, 0))
        ]


def test_an_event_that_is_meant_for_one_trigger_goes_with_it_alone(database: Database) -> None:
    shop = old_shop(database)
    shop.trigger("mine", cleanup_config=cleanup_config())
    shop.trigger("other")
    mine, other = shop.event(2 * DAY, op="MANUAL"), shop.event(2 * DAY, op="MANUAL")
    for event_id, name in ((mine, "mine"), (other, "other")):
        shop.run(
            "UPDATE cdc_triggers.event_log SET trigger_name = %s WHERE id = %s", name, event_id
        )
    settle(shop)
    with cleaning(database) as cleanups:
        assert cleanups.run(ALL) == [("mine", 1, 0)]
    assert ids(shop, "event_log") == {other}


def test_what_a_stream_may_still_need_stays_however_old_it_is(database: Database) -> None:
    shop = make_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config(clean_invocation_logs=True))
    dead(shop, it, 2 * DAY)
    delivered(shop, it, 2 * DAY)
    with cleaning(database) as cleanups:
        assert cleanups.run(ALL) == [("orders", 0, 0)], "no stream has run yet"
        shop.settle_until(0)
        shop.run("UPDATE cdc_triggers.stream SET settled_snapshot = '1:1:'")
        shop.run("UPDATE cdc_triggers.delivery SET commit_lsn = 'FFFFFFFF/0'")
        shop.run("UPDATE cdc_triggers.attempt SET commit_lsn = 'FFFFFFFF/0'")
        assert cleanups.run(ALL) == [("orders", 0, 0)], "not settled, and not confirmed"
        shop.run("UPDATE cdc_triggers.delivery SET commit_lsn = '0/10'")
        shop.run("UPDATE cdc_triggers.attempt SET commit_lsn = '0/10'")
        assert cleanups.run(ALL) == [("orders", 0, 0)], "a recovery would read its event"
        shop.run("UPDATE cdc_triggers.delivery SET commit_lsn = 'FFFFFFFF/0'")
        shop.run("UPDATE cdc_triggers.attempt SET commit_lsn = 'FFFFFFFF/0'")
        settle(shop)
        shop.run("UPDATE cdc_triggers.stream SET recovering = true")
        assert cleanups.run(ALL) == [("orders", 0, 0)], "a recovery reads the log"
        shop.run("UPDATE cdc_triggers.stream SET recovering = false")
        assert cleanups.run(ALL) == [("orders", 2, 0)], "the log only"
        shop.run("UPDATE cdc_triggers.delivery SET commit_lsn = '0/10'")
        shop.run("UPDATE cdc_triggers.attempt SET commit_lsn = '0/10'")
        assert cleanups.run(ALL) == [("orders", 1, 1)]


def test_a_stream_that_is_gone_with_its_slot_keeps_nothing(database: Database) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config())
    dead(shop, it, 2 * DAY)
    settle(shop)
    gone = f"{database.slot}_of_another_database"
    shop.run(
        "INSERT INTO cdc_triggers.stream (slot_name, generation, holder, heartbeat_at) "
        "VALUES (%s, 1, gen_random_uuid(), now() - interval '5 days')",
        gone,
    )
    elsewhere = Database(database.server, "postgres")
    elsewhere.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", gone)
    try:
        with cleaning(database) as cleanups:
            assert cleanups.run(ALL) == [("orders", 0, 0)], "it may come back, and need the log"
            shop.run(
                "UPDATE cdc_triggers.stream SET heartbeat_at = now() - interval '7 days' "
                "WHERE slot_name = %s",
                gone,
            )
            assert cleanups.run(ALL) == [("orders", 2, 0)]
    finally:
        elsewhere.execute("SELECT pg_drop_replication_slot(%s)", gone)


def test_small_batches_take_all_of_it_and_each_is_counted(database: Database) -> None:
    shop = old_shop(database)
    config = cleanup_config(batch_size=3, clean_invocation_logs=True)
    it = shop.trigger("orders", cleanup_config=config)
    for _ in range(7):
        dead(shop, it, 2 * DAY)
        delivered(shop, it, 2 * DAY)
    settle(shop)
    with cleaning(database) as cleanups:
        assert cleanups.run(ALL) == [("orders", 7 + 14, 7)]
        (line,) = cleanups.history()
    assert (line.trigger, line.origin, line.status) == ("orders", "command", "completed")
    assert (line.deleted_events, line.deleted_attempts, line.error) == (21, 7, None)
    assert line.ended_at is not None
    assert line.ended_at >= line.started_at


def test_a_delivery_that_is_being_redelivered_is_left_and_not_waited_for(
    database: Database,
) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config())
    kept, gone = dead(shop, it, 2 * DAY), dead(shop, it, 2 * DAY)
    settle(shop)
    other = database.connect()
    with other.cursor() as cursor, cleaning(database) as cleanups:
        cursor.execute("BEGIN")
        cursor.execute(
            "UPDATE cdc_triggers.delivery SET status = 'parked' WHERE event_id = %s", [kept]
        )
        assert cleanups.run(ALL) == [("orders", 1 + 2, 0)]
        cursor.execute("COMMIT")
    assert ids(shop, "delivery") == {kept}
    assert gone not in ids(shop, "delivery")


def test_a_batch_that_takes_too_long_ends_the_clean_up_and_the_history_says_why(
    database: Database,
) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config(timeout=1))
    delivered(shop, it, 2 * DAY)
    settle(shop)
    other = database.connect()
    with other.cursor() as cursor, cleaning(database) as cleanups:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE cdc_triggers.delivery IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseError, match="not done after 1 s"):
            cleanups.run(ALL)
        cursor.execute("ROLLBACK")
        (line,) = cleanups.history()
        assert line.status == "failed"
        assert "not done after 1 s" in str(line.error)
        assert cleanups.run(ALL) == [("orders", 1, 0)], "the lock was let go"


def test_only_one_runs_at_a_time_and_one_whose_process_ended_is_shown_as_interrupted(
    database: Database,
) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config(batch_size=1))
    for _ in range(3):
        dead(shop, it, 2 * DAY)
    settle(shop)
    with cleaning(database) as other:
        with cleaning(database) as killed:
            assert killed.store.lock()
            steps = killed.steps(killed._targets(ALL)[0], "command")
            next(steps)
            with pytest.raises(BlockedError, match="another clean-up is running"):
                other.run(ALL)
            assert [line.status for line in other.history()] == ["running"]
        wait_until(
            lambda: [line.status for line in other.history()] == ["interrupted"],
            what="the server has noticed the end of the session",
        )
        assert [line.deleted_events for line in other.history()] == [1]
        assert other.run(ALL) == [("orders", 2 + 3, 0)]
        assert [line.status for line in other.history()] == ["completed", "interrupted"]
    (row,) = shop.run("SELECT status, ended_at IS NOT NULL FROM cdc_triggers.cleanup LIMIT 1")
    assert row == ("interrupted", True)


def test_a_schedule_runs_once_for_all_that_was_missed_and_a_pause_by_hand_holds_it(
    database: Database,
) -> None:
    shop = old_shop(database)
    shop.trigger("orders", cleanup_config=cleanup_config(schedule="* * * * *"))
    shop.trigger("file", cleanup_config=cleanup_config(schedule="* * * * *", paused=True))
    shop.trigger("none")
    shop.run("UPDATE cdc_triggers.trigger SET updated_at = now() - interval '3 days'")
    with cleaning(database) as cleanups:
        assert [target.trigger_name for target, _ in cleanups.due()] == ["orders"]
        assert cleanups.set_paused(None, paused=True) == ("orders",)
        assert cleanups.due() == []
        assert cleanups.set_paused(["orders", "file"], paused=False) == ("orders", "file")
        assert cleanups.set_paused(["file"], paused=True) == ("file",)
        ((target, at),) = cleanups.due()
        assert list(cleanups.steps(target, "schedule", at))
        assert cleanups.due() == []
        assert cleanups.history("orders")[0].scheduled_at == at
        with pytest.raises(UsageError, match="'none' has no cleanup_config"):
            cleanups.set_paused(["none"], paused=True)
        with pytest.raises(UsageError, match="'none' has no cleanup_config"):
            cleanups.run(Wanted(["none"], "command"))
        with pytest.raises(NotFoundError, match="there is no trigger 'ordrs'"):
            cleanups.run(Wanted(["ordrs"], "command"))


def test_a_pause_in_the_middle_ends_a_scheduled_clean_up_after_its_batch(
    database: Database,
) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders", cleanup_config=cleanup_config(batch_size=1))
    for _ in range(3):
        dead(shop, it, 2 * DAY)
    settle(shop)
    shop.run("UPDATE cdc_triggers.trigger SET updated_at = now() - interval '3 days'")
    with cleaning(database) as cleanups, cleaning(database) as person:
        ((target, at),) = cleanups.due()
        steps = cleanups.steps(target, "schedule", at)
        next(steps)
        person.set_paused(["orders"], paused=True)
        assert len(list(steps)) == 1
        assert [line.status for line in person.history()] == ["paused"]
    assert len(ids(shop, "delivery")) == 1


def test_a_publication_of_all_tables_is_in_the_way_until_apply_has_run(database: Database) -> None:
    shop = old_shop(database)
    config = cleanup_config(clean_invocation_logs=True)
    whole = {"table": "orders", "webhook": "http://localhost/"}
    it = shop.trigger("orders", cleanup_config=config, **whole)
    delivered(shop, it, 2 * DAY)
    settle(shop)
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    with cleaning(database) as cleanups:
        with pytest.raises(DatabaseError) as caught:
            cleanups.run(ALL)
        assert "run `cdc-triggers apply`" in caught.value.hint
        connection = database.connect()
        installer = Installer(connection, slot=database.slot)
        Amender(connection, installer).amend(lambda state: tuple(state.triggers.values()))
        assert cleanups.run(ALL) == [("orders", 1, 1)]
    assert ids(shop, "event_log") == ids(shop, "attempt") == set()
