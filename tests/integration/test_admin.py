from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from psycopg2 import sql
from support.operated import ALL, Shop, make_shop, open_admin, statuses

from cdc_triggers.app.admin import Administration, lowest_id
from cdc_triggers.errors import DatabaseError, NotFoundError, UsageError
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.console_events import ConsoleEvents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database


@pytest.fixture
def shop(database: Database) -> Shop:
    return make_shop(database)


@pytest.fixture
def admin(shop: Shop) -> Iterator[Administration]:
    with open_admin(shop.database.dsn) as administration:
        yield administration


def test_each_event_has_the_status_that_the_tables_say(shop: Shop, admin: Administration) -> None:
    orders = shop.trigger("orders")
    archived, unwanted, sent, parked, dead, fresh = (shop.event(age) for age in range(60, 0, -10))
    shop.owe(archived, 999, "dead", "gone")
    shop.deliver(sent, orders)
    shop.owe(parked, orders, "parked")
    shop.owe(dead, orders, "dead")
    shop.settle_until(15)
    assert [line.id for line in admin.events(ALL)] == [
        fresh,
        dead,
        parked,
        sent,
        unwanted,
        archived,
    ]
    expected = {
        (archived, "gone"): "archived",
        (unwanted, None): "unmatched",
        (sent, "orders"): "delivered",
        (parked, "orders"): "parked",
        (dead, "orders"): "dead",
        (fresh, "orders"): "pending",
    }
    assert statuses(admin) == expected
    for status in ("pending", "parked", "dead", "delivered", "archived"):
        only = {key: value for key, value in expected.items() if value == status}
        assert statuses(admin, ALL._replace(status=status)) == only


def test_an_event_is_not_pending_for_a_stream_whose_slot_is_not_there(
    shop: Shop, admin: Administration
) -> None:
    shop.trigger("orders")
    unwanted = shop.event(60)
    shop.run(
        "INSERT INTO cdc_triggers.stream (slot_name, generation, heartbeat_at) "
        "VALUES ('mistyped', 1, now() - interval '1 minute')"
    )
    assert statuses(admin) == {(unwanted, "orders"): "pending"}, "no other one has begun"
    shop.settle_until(15)
    assert statuses(admin) == {(unwanted, None): "unmatched"}
    console = ConsoleEvents(shop.connection)
    assert console.settled_at() is not None
    assert [line.status for line in console.lines([unwanted])] == ["unmatched"]


def test_an_event_from_before_a_trigger_was_applied_is_never_pending_for_it(
    shop: Shop, admin: Administration
) -> None:
    before = shop.event()
    shop.trigger("orders")
    after = shop.event()
    assert statuses(admin) == {(before, None): "unmatched", (after, "orders"): "pending"}


def test_a_trigger_whose_table_was_dropped_says_which_one_that_was(
    shop: Shop, admin: Administration
) -> None:
    shop.trigger("orders", table={"schema": "public", "name": "orders"})
    shop.run("DROP TABLE orders")
    (view,) = admin.triggers()
    assert (view.schema_name, view.table_name) == ("public", "orders (dropped)")


def test_an_operation_the_trigger_does_not_listen_to_is_never_pending_for_it(
    shop: Shop, admin: Administration
) -> None:
    shop.trigger("orders")
    deleted = shop.event(op="DELETE")
    assert statuses(admin) == {(deleted, None): "unmatched"}


def test_since_and_limit_and_trigger_narrow_the_list(shop: Shop, admin: Administration) -> None:
    orders, other = shop.trigger("orders"), shop.trigger("other")
    old, new = shop.event(7200), shop.event(60)
    for event_id in (old, new):
        shop.owe(event_id, orders, "dead")
        shop.owe(event_id, other, "dead", "other")
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert {line.id for line in admin.events(ALL._replace(since=hour_ago))} == {new}
    assert statuses(admin, ALL._replace(trigger="other")).keys() == {(old, "other"), (new, "other")}
    assert [line.id for line in admin.events(ALL._replace(limit=1, status="dead"))] == [new]


def test_a_dead_delivery_is_listed_and_shown_after_the_ring_has_dropped_its_event(
    shop: Shop, admin: Administration
) -> None:
    event_id = shop.event(new='{"id":1,"total":1.10}')
    shop.owe(event_id, shop.trigger("orders"), "dead")
    shop.run("TRUNCATE cdc_triggers.event_log")
    assert statuses(admin) == {(event_id, "orders"): "dead"}
    assert admin.event(event_id).event.new == '{"id":1,"total":1.10}'


def test_the_list_walks_an_index_and_stops_at_its_limit(shop: Shop) -> None:
    shop.trigger("orders")
    shop.run(
        "INSERT INTO cdc_triggers.event_log (bucket, seq, id, table_id, xid, created_at, op, "
        "schema_name, table_name, new) SELECT cdc_triggers.event_bucket(now()), n, "
        "cdc_triggers.new_event_id(), %s, pg_current_xact_id(), clock_timestamp(), 'INSERT', "
        "'public', 'orders', '{}' FROM generate_series(1, 50000) n",
        shop.table_id,
    )
    shop.run("ANALYZE cdc_triggers.event_log")
    with closing(connect(shop.database.dsn, application_name="test")) as connection:
        PostgresAdmin(connection).events(ALL, lowest_id(None))
    [(rows,)] = shop.run(
        "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'event_log%'"
    )
    assert rows == 0


def test_show_has_the_event_its_delivery_and_every_attempt(
    shop: Shop, admin: Administration
) -> None:
    orders = shop.trigger("orders")
    event_id = shop.event(new='{"id":1,"total":1.10,"big":1e400}')
    shop.deliver(event_id, orders)
    detail = admin.event(event_id)
    assert detail.event.new == '{"id":1,"total":1.10,"big":1e400}'
    assert [(d.trigger, d.status) for d in detail.deliveries] == [("orders", "delivered")]
    assert [(a.status, a.request, a.response) for a in detail.attempts] == [
        (200, '{"url": "{{SHOP_URL}}/orders"}', '{"body": "ok"}')
    ]


def test_pause_resume_and_redeliver_tell_the_stream_in_their_own_transaction(
    shop: Shop, admin: Administration
) -> None:
    event_id = shop.event()
    shop.owe(event_id, shop.trigger("orders"), "dead")
    slot = f"{shop.database.slot}_all"
    shop.run("CREATE PUBLICATION changes FOR TABLE cdc_triggers.trigger, cdc_triggers.delivery")
    shop.run("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", slot)
    assert admin.set_paused("orders", paused=True)
    assert not admin.set_paused("orders", paused=True)
    assert admin.trigger("orders").paused_at is not None
    assert admin.set_paused("orders", paused=False)
    assert not admin.trigger("orders").paused
    admin.redeliver([event_id], dry_run=True)
    admin.redeliver([event_id], dry_run=False)
    stream = shop.run(
        "SELECT data FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL, 'proto_version', '1', "
        "'publication_names', 'changes', 'messages', 'true')",
        slot,
    )
    changes = [bytes(data) for (data,) in stream if bytes(data)[:1] != b"R"]
    assert b"".join(change[:1] for change in changes) == b"BUMC" * 3
    assert [change[-6:] for change in changes[2::4]] == [b"reload", b"reload", b"\x05retry"]
    assert all(b"cdc_triggers\0" in change for change in changes[2::4])


def test_an_unknown_trigger_is_answered_with_the_near_name(
    shop: Shop, admin: Administration
) -> None:
    shop.trigger("order_changed")
    with pytest.raises(NotFoundError) as caught:
        admin.set_paused("order_chnged", paused=True)
    assert caught.value.hint == "did you mean order_changed?"
    assert caught.value.exit_code == 2


def test_invoke_refuses_bad_json_and_triggers_without_enable_manual(
    shop: Shop, admin: Administration
) -> None:
    shop.trigger("orders")
    shop.trigger("closed", definition={"insert": {"columns": "*"}, "enable_manual": False})
    with pytest.raises(UsageError, match="not JSON"):
        admin.invoke("orders", "{")
    with pytest.raises(UsageError, match="not JSON"):
        admin.invoke("orders", "NaN")
    with pytest.raises(UsageError, match="may not be invoked by hand"):
        admin.invoke("closed", "null")


def test_invoke_makes_a_manual_event_for_that_trigger(shop: Shop, admin: Administration) -> None:
    shop.trigger("orders")
    shop.trigger("other")
    event_id = admin.invoke("orders", '{"id": 1, "total": 1.10}')
    event = admin.event(event_id).event
    assert (event.op, event.trigger_name, event.old) == ("MANUAL", "orders", None)
    assert json.loads(event.new or "") == {"id": 1, "total": 1.10}
    assert "1.10" in (event.new or "")
    assert statuses(admin) == {(event_id, "orders"): "pending"}


def test_invoke_takes_a_number_however_long(shop: Shop, admin: Administration) -> None:
    shop.trigger("orders")
    number = "7" * 5000
    assert admin.event(admin.invoke("orders", number)).event.new == number


def test_status_counts_what_is_owed_and_done_per_trigger(shop: Shop, admin: Administration) -> None:
    orders = shop.trigger("orders")
    shop.trigger("quiet")
    shop.deliver(shop.event(), orders)
    shop.run("SELECT pg_logical_emit_message(false, 'other', repeat('x', 9000))")
    shop.owe(shop.event(90), orders, "parked")
    shop.owe(shop.event(), orders, "dead")
    shop.owe(shop.event(), 999, "dead", "gone")
    shop.settle_until(1)
    found = admin.status(shop.database.slot)
    assert found.slot is not None
    assert (found.slot.plugin, found.slot.active) == ("pgoutput", False)
    assert (found.slot.held_bytes or 0) >= (found.slot.lag_bytes or 0) > 9000
    assert found.stream is not None
    assert (found.stream.generation, found.stream.alive) == (7, True)
    busy, quiet = found.triggers
    assert (busy.parked, busy.dead, busy.delivered) == (1, 1, 1)
    assert busy.last_error == "status 500"
    assert 90 <= (busy.oldest_unsettled_age_s or 0) < 3600
    assert (quiet.parked, quiet.dead, quiet.delivered, quiet.last_error) == (0, 0, 0, None)
    assert quiet.oldest_unsettled_age_s is None
    assert found.archived == 1


def test_status_without_slot_and_stream_says_so_by_none(shop: Shop, admin: Administration) -> None:
    found = admin.status("no_such_slot")
    assert (found.slot, found.stream, found.triggers) == (None, None, ())


def test_a_role_that_may_only_read_sees_everything_and_changes_nothing(shop: Shop) -> None:
    role = shop.database.role()
    shop.trigger("orders")
    for grant in ("USAGE ON SCHEMA", "SELECT ON ALL TABLES IN SCHEMA"):
        template = sql.SQL(f"GRANT {grant} cdc_triggers TO {{}}")
        shop.database.execute(template.format(sql.Identifier(role)))
    with open_admin(shop.database.dsn_as(role)) as admin:
        assert [t.name for t in admin.status(shop.database.slot).triggers] == ["orders"]
        assert [t.name for t in admin.triggers()] == ["orders"]
        assert admin.events(ALL) == []
        with pytest.raises(DatabaseError, match="lacks a right"):
            admin.set_paused("orders", paused=True)


def test_a_role_without_rights_is_told_which_grants_it_needs(shop: Shop) -> None:
    role = shop.database.role()
    with (
        open_admin(shop.database.dsn_as(role)) as admin,
        pytest.raises(DatabaseError) as caught,
    ):
        admin.status(shop.database.slot)
    assert "GRANT USAGE ON SCHEMA cdc_triggers" in caught.value.hint


def test_a_database_without_cdc_triggers_is_named_as_such(database: Database) -> None:
    with open_admin(database.dsn) as admin, pytest.raises(DatabaseError) as caught:
        admin.status(database.slot)
    assert "not installed" in caught.value.message
    assert "cdc-triggers apply" in caught.value.hint
