"""What Hasura has captured and not delivered is taken over: once, in order, with its ids."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from support import databases, hasura
from support.streaming import apply, trigger

from cdc_triggers.app.hasura_pending import PendingImport, PendingReport
from cdc_triggers.errors import BlockedError, DatabaseError, UsageError
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.hasura_log import SETTINGS, PostgresHasuraLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

NAME = "order_changed"
TABLE = "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)"


@pytest.fixture
def shop(database: Database) -> Database:
    """A database with Hasura's catalog and our trigger; Hasura captures nothing any more."""
    database.execute(TABLE)
    hasura.make_catalog(database)
    apply(database, trigger(NAME, "orders", "http://127.0.0.1:9/"))
    return database


@contextmanager
def pending(ours: Database, theirs: Database | None = None, rows: int = 3) -> Iterator[Any]:
    name = "test import"
    with (
        closing(connect(ours.dsn, application_name=name, options=SETTINGS)) as mine,
        closing(connect((theirs or ours).dsn, application_name=name, options=SETTINGS)) as other,
    ):
        yield PendingImport(PostgresHasuraLog(mine, other, rows=rows))


def take_over(ours: Database, theirs: Database | None = None, **keys: Any) -> PendingReport:
    with pending(ours, theirs) as it:
        report = it.run(dry_run=keys.get("dry_run", False))
    assert isinstance(report, PendingReport)
    return report


def parked(database: Database) -> list[dict[str, Any]]:
    rows = database.execute(
        "SELECT to_jsonb(d) || jsonb_build_object('new', d.new::text, 'old', d.old::text) "
        "FROM cdc_triggers.delivery d ORDER BY commit_lsn, position"
    )
    return [row for (row,) in rows]


def payload(op: str = "INSERT", old: object = None, new: object = None, **keys: object) -> str:
    data = {"old": old, "new": new}
    return json.dumps(
        {"op": op, "data": data, "session_variables": None, "trace_context": None, **keys}
    )


def row(number: object = 1, **columns: object) -> str:
    return payload(new={"id": number, "status": "new", "total": 1.5, **columns})


def at(second: int) -> str:
    return f"2026-01-02 03:04:{second:02}"


def test_a_row_becomes_a_parked_delivery_with_all_that_it_holds(shop: Database) -> None:
    session = {"x-hasura-role": "user"}
    trace = {"trace_id": "a" * 32, "span_id": "b" * 16, "sampling_state": "1"}
    text = payload(
        "UPDATE",
        {"id": 1, "status": "a", "total": 1},
        {"id": 1, "status": "b", "total": 1},
        session_variables=session,
        trace_context=trace,
    )
    event_id = hasura.owe(shop, text, created_at=at(5), tries=2, next_retry_at="2026-01-02 04:00")
    assert take_over(shop).imported == 1
    [it] = parked(shop)
    assert (it["event_id"], it["trigger_name"], it["op"]) == (event_id, NAME, "UPDATE")
    assert (it["status"], it["reason"], it["tries"], it["key"]) == ("parked", "imported", 2, "[1]")
    assert (it["schema_name"], it["table_name"]) == ("public", "orders")
    assert json.loads(it["old"])["status"] == "a"
    assert json.loads(it["new"])["status"] == "b"
    assert json.loads(it["session"]) == session
    assert json.loads(it["trace"]) == trace
    assert datetime.fromisoformat(it["created_at"]) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert datetime.fromisoformat(it["due_at"]) <= datetime.now(UTC)


def test_a_retry_that_is_not_due_yet_keeps_its_time(shop: Database) -> None:
    due = datetime.now(UTC) + timedelta(hours=2)
    hasura.owe(shop, row(), tries=1, next_retry_at=due.replace(tzinfo=None))
    take_over(shop)
    [it] = parked(shop)
    assert abs(datetime.fromisoformat(it["due_at"]) - due) < timedelta(seconds=60)


def test_only_undelivered_rows_of_applied_triggers_are_taken(shop: Database) -> None:
    kept = hasura.owe(shop, row(1))
    locked = hasura.owe(shop, row(2), locked=datetime.now(UTC))
    for columns in ({"delivered": True}, {"error": True}, {"archived": True}):
        hasura.owe(shop, row(3), **columns)
    hasura.owe(shop, row(4), trigger_name="not_ours")
    report = take_over(shop)
    assert {it["event_id"] for it in parked(shop)} == {kept, locked}
    assert (report.imported, report.not_applied, report.paused) == (2, ("not_ours",), ())
    assert report.owed == (("not_ours", 1, 0), (NAME, 2, 1))


def test_what_is_taken_is_archived_and_a_second_import_finds_nothing(shop: Database) -> None:
    for number in range(5):
        hasura.owe(shop, row(number))
    left = hasura.owe(shop, row(9), trigger_name="not_ours")
    assert take_over(shop).imported == 5
    assert [i for i, archived in hasura.log(shop, ["id", "archived"]) if not archived] == [left]
    # delivered in the meantime: the unique index would not know it any more
    shop.execute("DELETE FROM cdc_triggers.delivery")
    assert take_over(shop).imported == 0
    assert parked(shop) == []


def test_a_dry_run_counts_and_changes_nothing(shop: Database) -> None:
    hasura.owe(shop, row())
    report = take_over(shop, dry_run=True)
    assert (report.dry_run, report.imported, report.owed) == (True, 0, ((NAME, 1, 0),))
    assert parked(shop) == []
    assert hasura.log(shop, ["archived"]) == [(False,)]


def test_the_order_of_a_key_is_that_of_the_log_and_only_its_first_is_due(shop: Database) -> None:
    ids = [hasura.owe(shop, row(1), created_at=at(second)) for second in (30, 10, 20, 10)]
    other = hasura.owe(shop, row(2), created_at=at(40))
    take_over(shop)
    rows = parked(shop)
    # of one transaction the one that was written first
    assert [it["event_id"] for it in rows] == [ids[1], ids[3], ids[2], ids[0], other]
    assert [it["due_at"] is not None for it in rows] == [True, False, False, False, True]
    assert {it["key"] for it in rows} == {"[1]", "[2]"}


def test_imported_events_stand_before_those_that_are_parked_here(shop: Database) -> None:
    hasura.owe(shop, row(1))
    shop.execute(
        "INSERT INTO cdc_triggers.delivery (trigger_id, trigger_name, revision, event_id, status, "
        "reason, key, commit_lsn, position, due_at, bytes, table_id, xid, created_at, op, "
        "schema_name, table_name, new) SELECT id, name, 1, gen_random_uuid(), 'parked', 'failed', "
        "'[1]', '0/2000000', 0, now(), 400, table_id, '700', now(), 'INSERT', 'public', 'orders', "
        "'{\"id\":1}' FROM cdc_triggers.trigger"
    )
    take_over(shop)
    first, second = parked(shop)
    assert (first["reason"], first["due_at"] is None) == ("imported", False)
    assert (second["reason"], second["due_at"] is None) == ("failed", True)


def test_a_second_import_stands_behind_the_first(shop: Database) -> None:
    first = hasura.owe(shop, row(1), created_at=at(20))
    take_over(shop)
    second = hasura.owe(shop, row(1), created_at=at(10))
    take_over(shop)
    assert [it["event_id"] for it in parked(shop)] == [first, second]
    assert [it["due_at"] is None for it in parked(shop)] == [False, True]


def test_keys_are_written_as_capture_writes_them(database: Database) -> None:
    database.execute(
        "CREATE TABLE orders (id bigint, at timestamptz, name text, share numeric(9, 3), "
        "ratio double precision, PRIMARY KEY (id, at, name, share, ratio))"
    )
    hasura.make_catalog(database)
    apply(database, trigger(NAME, "orders", "http://127.0.0.1:9/"))
    # as with stringify_numeric_types, in another time zone, and with the digits of jsonb
    image = {
        "id": "9007199254740993",
        "at": "2026-01-02T05:04:05+02:00",
        "name": 'a"b',
        "share": "1.5",
        "ratio": 100000000000000000000,
    }
    hasura.owe(database, payload(new=image))
    hasura.owe(database, payload("UPDATE", {**image, "name": "old"}, image))
    hasura.owe(database, payload("UPDATE", image, {**image, "id": 9007199254740993}))
    take_over(database)
    database.execute(
        "INSERT INTO orders VALUES (9007199254740993, '2026-01-02T03:04:05Z', 'a\"b', 1.5, 1e20)"
    )
    [(captured,)] = database.execute(
        "SELECT json_build_array(new -> 'id', new -> 'at', new -> 'name', new -> 'share', "
        "new -> 'ratio')::text FROM cdc_triggers.event_log"
    )
    keys = [(it["key"], it["old_key"]) for it in parked(database)]
    expected = captured.replace(", ", ",")
    assert keys[0] == (expected, None)
    assert keys[1] == (expected, expected.replace('a\\"b', "old"))
    assert keys[2] == (expected, None)


def test_a_column_that_has_another_type_since_leaves_the_key_as_it_is(shop: Database) -> None:
    hasura.owe(shop, row("not a number any more"))
    take_over(shop)
    assert [it["key"] for it in parked(shop)] == ['["not a number any more"]']


def test_a_payload_without_its_key_is_sent_without_order(shop: Database) -> None:
    hasura.owe(shop, payload(new={"status": "new"}))
    hasura.owe(shop, payload("MANUAL", new=[1, 2]))
    report = take_over(shop)
    assert (report.imported, report.unordered) == (2, 1)
    assert [(it["key"], it["due_at"] is None) for it in parked(shop)] == [(None, False)] * 2


@pytest.mark.parametrize(("ordering", "key"), [("total", "*"), ("none", None)])
def test_the_order_that_the_trigger_asks_for_counts(
    shop: Database, ordering: str, key: str | None
) -> None:
    apply(shop, trigger(NAME, "orders", "http://127.0.0.1:9/", ordering=ordering))
    hasura.owe(shop, row(1))
    report = take_over(shop)
    assert [it["key"] for it in parked(shop)] == [key]
    assert report.unordered == 0


def test_times_without_a_zone_are_those_of_the_server(shop: Database) -> None:
    shop.execute("ALTER DATABASE %s SET TimeZone = 'America/New_York'" % shop.name)  # noqa: UP031
    hasura.owe(shop, row(), created_at="2026-01-02 03:04:05.123456")
    take_over(shop)
    [it] = parked(shop)
    assert datetime.fromisoformat(it["created_at"]).astimezone(UTC) == datetime(
        2026, 1, 2, 8, 4, 5, 123456, tzinfo=UTC
    )


def test_rows_that_can_not_be_read_stay_and_hold_nobody_up(shop: Database) -> None:
    hasura.owe(shop, row(1), id="not-a-uuid", created_at=at(1))
    hasura.owe(shop, payload("TRUNCATE"), created_at=at(2))
    good = [hasura.owe(shop, row(number), created_at=at(3 + number)) for number in range(4)]
    report = take_over(shop)
    assert (report.imported, report.unreadable) == (4, 2)
    assert [it["event_id"] for it in parked(shop)] == good


def test_the_row_keeps_its_digits(shop: Database) -> None:
    text = '{"op": "INSERT", "data": {"old": null, "new": {"id": 1, "total": 1.10}}}'
    hasura.owe(shop, text)
    take_over(shop)
    assert parked(shop)[0]["new"] == '{"id": 1, "total": 1.10}'


def test_a_version_of_hasura_whose_locks_are_booleans(shop: Database) -> None:
    shop.execute("ALTER TABLE hdb_catalog.event_log DROP COLUMN locked")
    shop.execute("ALTER TABLE hdb_catalog.event_log ADD locked boolean NOT NULL DEFAULT false")
    hasura.owe(shop, row(1))
    hasura.owe(shop, row(2), locked=True)
    assert take_over(shop).owed == ((NAME, 2, 1),)
    assert len(parked(shop)) == 2


def test_while_hasura_captures_too_nothing_is_taken_over(shop: Database) -> None:
    hasura.track(shop, NAME)
    hasura.owe(shop, row())
    with pytest.raises(BlockedError, match=f"captures changes for {NAME}") as refused:
        take_over(shop)
    assert "--replace-hasura" in refused.value.hint
    assert take_over(shop, dry_run=True).capturing == (NAME,)
    assert parked(shop) == []


def test_a_paused_trigger_stays_paused_and_any_other_is_resumed(shop: Database) -> None:
    hasura.owe(shop, row())
    shop.execute("UPDATE cdc_triggers.trigger SET paused = true")
    assert take_over(shop).paused == (NAME,)
    assert shop.execute("SELECT paused FROM cdc_triggers.trigger") == [(True,)]
    shop.execute("UPDATE cdc_triggers.trigger SET paused = false")
    hasura.owe(shop, row(2))
    assert take_over(shop).paused == ()
    assert shop.execute("SELECT paused, paused_at FROM cdc_triggers.trigger") == [(False, None)]


def test_from_another_database_all_is_taken_over_once_too(shop: Database) -> None:
    old = databases.create(shop.server)
    try:
        hasura.make_catalog(old)
        ids = [hasura.owe(old, row(number), created_at=at(number)) for number in range(4)]
        assert take_over(shop, old).imported == 4
        assert [it["event_id"] for it in parked(shop)] == ids
        # as if it had been cut off between the two commits, and one was delivered since
        old.execute("UPDATE hdb_catalog.event_log SET archived = false")
        shop.execute(
            "INSERT INTO cdc_triggers.attempt (bucket, event_id, trigger_id, trigger_name, attempt,"
            " outcome, started_at, duration_ms, commit_lsn) SELECT "
            "cdc_triggers.attempt_bucket(now()), event_id, trigger_id, trigger_name, 1, "
            "'delivered', now(), 1, commit_lsn FROM cdc_triggers.delivery WHERE event_id = %s",
            ids[0],
        )
        shop.execute("DELETE FROM cdc_triggers.delivery WHERE event_id = %s", ids[0])
        report = take_over(shop, old)
        assert (report.imported, report.known) == (0, 4)
        assert [it["event_id"] for it in parked(shop)] == ids[1:]
        assert all(archived for (archived,) in hasura.log(old, ["archived"]))
    finally:
        old.drop()


def test_a_database_without_hasura_and_one_without_us_are_told(database: Database) -> None:
    with pytest.raises(DatabaseError, match="not installed"):
        take_over(database)
    with pytest.raises(UsageError, match=r"no hdb_catalog\.event_log"):
        take_over(database, dry_run=True)


def test_a_role_without_rights_is_told_which_it_needs(shop: Database) -> None:
    hasura.owe(shop, row())
    role = shop.role()
    dsn = shop.dsn_as(role)
    with closing(psycopg2.connect(dsn)) as mine, closing(psycopg2.connect(dsn)) as other:
        log = PostgresHasuraLog(mine, other)
        with pytest.raises(DatabaseError, match="lacks a right") as refused:
            log.owed()
        assert "hdb_catalog.event_log" in refused.value.hint
