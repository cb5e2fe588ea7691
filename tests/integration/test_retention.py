"""Nothing grows for ever: what nobody is owed goes in time, and how long that is can be changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.applying import ORDERS, installer, run
from support.cleaning import DAY, cleaning, dead, ids, old_shop, settle
from support.specs import trigger

from cdc_triggers.cli import applying
from cdc_triggers.cli.status import status as show_status
from cdc_triggers.core.cleanup import Retention
from cdc_triggers.postgres.ring import truncate_oldest

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Database


def test_dead_deliveries_go_after_thirty_days_and_what_is_owed_never(database: Database) -> None:
    shop = old_shop(database)
    it = shop.trigger("orders")
    old, young = dead(shop, it, 31 * DAY), dead(shop, it, 29 * DAY)
    owed = dead(shop, it, 99 * DAY)
    shop.run("UPDATE cdc_triggers.delivery SET status = 'parked' WHERE event_id = %s", owed)
    shop.run(
        "INSERT INTO cdc_triggers.cleanup (origin, started_at, status) "
        "VALUES ('command', now() - interval '31 days', 'completed')"
    )
    settle(shop)
    with cleaning(database) as cleanups:
        assert sum(step.deleted.events for step in cleanups.retention()) == 1
        assert ids(shop, "delivery") == {young, owed}
        assert old in ids(shop, "event_log"), "the log has its own retention"
        (line,) = cleanups.history()
        assert (line.trigger, line.origin, line.deleted_events) == (None, "retention", 1)
        assert not any(step.deleted.events for step in cleanups.retention())
        assert len(cleanups.history()) == 1, "only what did something is noted"
        shop.run("UPDATE cdc_triggers.retention SET keep = NULL")
        shop.run("UPDATE cdc_triggers.delivery SET dead_at = now() - interval '9 years'")
        assert list(cleanups.retention()) == []


def test_archived_deliveries_go_thirty_days_after_their_trigger(database: Database) -> None:
    shop = old_shop(database)
    gone, left = shop.trigger("gone"), shop.trigger("left")
    archived = dead(shop, gone, 99 * DAY, "gone"), dead(shop, left, 99 * DAY, "left")
    shop.run("UPDATE cdc_triggers.delivery SET status = 'parked', dead_at = NULL")
    shop.run("DELETE FROM cdc_triggers.trigger_revision; DELETE FROM cdc_triggers.trigger")
    shop.run(
        "INSERT INTO cdc_triggers.removed_trigger VALUES (%s, 'gone', now() - interval '31 d')",
        gone,
    )
    shop.run("INSERT INTO cdc_triggers.removed_trigger VALUES (%s, 'left')", left)
    settle(shop)
    with cleaning(database) as cleanups:
        assert sum(step.deleted.events for step in cleanups.retention()) == 1
    assert ids(shop, "delivery") == {archived[1]}
    assert shop.run("SELECT name FROM cdc_triggers.removed_trigger") == [("left",)]


def test_a_removed_trigger_is_remembered_from_its_removal_on(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    for specs in ([trigger()], []):
        one = installer(database, it)
        one.apply(one.plan(specs, {}))
    ((name, fresh),) = run(
        it,
        "SELECT name, removed_at > now() - interval '1 minute' FROM cdc_triggers.removed_trigger",
    )
    assert (name, fresh) == (trigger().name, True)


def test_apply_sets_the_retention_and_without_one_leaves_it(database: Database) -> None:
    it = database.connect()
    run(it, ORDERS)
    one = installer(database, it)
    assert one.apply(one.plan([trigger()], {}, retention=Retention())).plan
    assert one.plan([trigger()], {}, retention=Retention()).empty
    wanted = Retention(log_days=30, dead_days="forever")
    plan = one.plan([trigger()], {}, retention=wanted)
    said = [statement.summary for statement in plan.statements]
    assert said[0].startswith("retention: log_days from 6 to 30, and ")
    assert said[1] == "retention: dead_days from 30 to forever"
    one.apply(plan)
    assert one.plan([trigger()], {}, retention=wanted).empty
    assert one.plan([trigger()], {}).empty
    assert run(it, "SELECT DISTINCT period FROM cdc_triggers.ring") == [(wanted.period,)]
    assert run(it, "SELECT keep FROM cdc_triggers.retention") == [(None,)]
    assert not one.plan([trigger()], {}, retention=Retention()).empty


def test_the_trigger_file_says_it_and_diff_and_status_show_it(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "triggers.yaml"
    asked = applying.Asked((file,), database.dsn, database.slot, "pgoutput", replace_hasura=False)
    how = applying.How(yes=True, dry_run=False, verbose=False)
    for retention, shown in (("", "6 days"), ("retention: {log_days: 2}\n", "2 days")):
        file.write_text(f"version: 1\n{retention}triggers: []\n")
        applying.apply(asked, how, check_environment=True)
        capsys.readouterr()
        show_status(slot=database.slot, dsn=database.dsn)
        lines = dict(
            line.split(":", 1) for line in capsys.readouterr().out.splitlines() if ":" in line
        )
        assert lines["logs kept"].strip().startswith(shown)
        assert lines["dead kept"].strip().startswith("30 days, ")
    file.write_text("version: 1\ntriggers: []\n")
    applying.print_plan(applying.diff(asked, check_environment=True), verbose=False)
    assert "(retention: log_days from 2 to 6, and the size" in capsys.readouterr().out


@pytest.mark.servers("18", "16")
def test_buckets_get_another_size_under_writers_and_no_event_is_lost_or_early_truncated(
    database: Database,
) -> None:
    it = database.connect()
    run(it, ORDERS)
    one = installer(database, it)
    one.apply(one.plan([trigger()], {}))
    stop, written, failures = threading.Event(), [0], list[BaseException]()

    def write(connection: Any) -> None:
        try:
            while not stop.is_set():
                run(connection, "INSERT INTO orders VALUES (%s)", written[0])
                written[0] += 1
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    writer = threading.Thread(target=write, args=[database.connect()])
    writer.start()
    for days in (1, 12, 30, 3, 6):
        one.apply(one.plan([trigger()], {}, retention=Retention(log_days=days)))
        assert truncate_oldest(it, 100) == ()
    stop.set()
    writer.join()
    assert not failures
    assert run(it, "SELECT count(*) FROM cdc_triggers.event_log") == [(written[0],)]
    run(it, "UPDATE cdc_triggers.event_log SET created_at = now() - interval '6 days 1 second'")
    left = "SELECT count(DISTINCT bucket) FROM cdc_triggers.event_log"
    ((before,),) = run(it, left)
    assert len(truncate_oldest(it, 100)) >= before - 2
