"""Hasura's calls about a trigger, on a stream that runs: create, replace, delete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.hasura_api import SUCCESS, definition, insert
from support.live import NAME, Live
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.api import Api


def test_create_makes_a_trigger_that_fires_from_then_on(live: Live, api: Api) -> None:
    assert api.done("pg_create_event_trigger", definition(live)) == SUCCESS
    insert(live, 1)
    wait_until(lambda: [b for b in live.endpoint.bodies if b["trigger"]["name"] == "second"])


def test_create_twice_is_already_exists_and_replace_keeps_what_is_owed(
    live: Live, api: Api
) -> None:
    api.done("pg_create_event_trigger", definition(live))
    again = 'Event trigger with name "second" already exists'
    found = api.refused("pg_create_event_trigger", definition(live))
    assert found == ("already-exists", "$.args", again)
    changed = definition(live, replace=True, insert=None, update={"columns": ["total"]})
    assert api.done("pg_create_event_trigger", changed) == SUCCESS
    trigger = api.get("/api/triggers/second")
    assert trigger["revision"] == 2
    assert set(trigger["definition"]["definition"]) == {"update", "enable_manual"}


def test_replace_wants_a_trigger_that_is_there_on_the_same_table(live: Live, api: Api) -> None:
    missing = ("not-exists", "$.args", 'event trigger "second" does not exist')
    assert api.refused("pg_create_event_trigger", definition(live, replace=True)) == missing
    api.done("pg_create_event_trigger", definition(live))
    moved = definition(live, replace=True, table={"schema": "public", "name": "shipped"})
    code, path, text = api.refused("pg_create_event_trigger", moved)
    assert (code, path) == ("not-supported", "$.args")
    assert text == "cannot replace table or schema for trigger"


@pytest.mark.parametrize(
    ("wrong", "code", "path"),
    [
        ({"name": "bad name"}, "parse-failed", "$.args.name"),
        ({"name": "n" * 43}, "parse-failed", "$.args.name"),
        ({"name": None}, "parse-failed", "$.args.name"),
        ({"insert": None}, "parse-failed", "$.args"),
        ({"insert": {"columns": []}}, "parse-failed", "$.args.insert.columns"),
        ({"webhook": None}, "parse-failed", "$.args"),
        ({"webhook_from_env": "X"}, "parse-failed", "$.args"),
        ({"webhook": "ftp://x"}, "parse-failed", "$.args.webhook"),
        ({"webhook": "{{NOT_SET}}"}, "invalid-configuration", "$.args"),
        ({"headers": [{"name": "a b", "value": "c"}]}, "parse-failed", "$.args.headers[0].name"),
        ({"retry_conf": {"num_retries": "five"}}, "parse-failed", "$.args.retry_conf.num_retries"),
        ({"colums": "*"}, "parse-failed", "$.args.colums"),
        ({"table": {"schema": "public", "name": "nowhere"}}, "not-exists", "$.args"),
        ({"insert": {"columns": ["nothing"]}}, "not-exists", "$.args"),
        ({"source": "elsewhere"}, "not-exists", "$.args.source"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_create_refuses_what_is_wrong_with_its_place(
    live: Live, api: Api, wrong: dict[str, Any], code: str, path: str
) -> None:
    found = api.refused("pg_create_event_trigger", definition(live, **wrong))
    assert found[:2] == (code, path), found
    assert [each["name"] for each in api.get("/api/triggers")["triggers"]] == [NAME]


def test_create_tells_all_that_is_wrong_in_one_answer(live: Live, api: Api) -> None:
    wrong = definition(live, name="bad name", webhook="ftp://x", insert={"columns": []})
    _, answer = api.metadata("pg_create_event_trigger", wrong)
    places = {each["path"] for each in answer["internal"]}
    assert places == {"$.args.name", "$.args.webhook", "$.args.insert.columns"}


def test_delete_archives_what_is_owed_and_the_name_may_come_back(live: Live, api: Api) -> None:
    api.done("pg_create_event_trigger", definition(live))
    insert(live, 11, "refused")
    wait_until(lambda: owed(live, "second") == 1, what="its delivery is dead")
    assert api.done("pg_delete_event_trigger", {"name": "second"}) == SUCCESS
    missing = ("not-exists", "$.args", 'event trigger "second" does not exist')
    assert api.refused("pg_delete_event_trigger", {"name": "second"}) == missing
    api.done("pg_create_event_trigger", definition(live))
    archived = api.get("/api/deliveries?status=archived&trigger=second")["deliveries"]
    assert [each["status"] for each in archived] == ["archived"]


def owed(live: Live, name: str) -> int:
    query = "SELECT count(*) FROM cdc_triggers.delivery WHERE trigger_name = %s AND status = 'dead'"
    return int(live.database.execute(query, name)[0][0])


def test_a_trigger_of_a_renamed_table_can_be_replaced_under_either_name(
    live: Live, api: Api
) -> None:
    table = {"schema": "public", "name": "shipped"}
    api.done("pg_create_event_trigger", definition(live, table=table))
    live.run("ALTER TABLE shipped RENAME TO sent")
    for name in ("shipped", "sent"):
        table["name"] = name
        api.done("pg_create_event_trigger", definition(live, table=table, replace=True))
    assert api.get("/api/triggers/second")["table_name"] == "sent"
    live.run("ALTER TABLE sent RENAME TO shipped")
