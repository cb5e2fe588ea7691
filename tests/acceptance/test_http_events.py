"""Hasura's calls about events, on a stream that runs: redeliver, invoke, logs, event by id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from support.hasura_api import SUCCESS, definition, insert
from support.live import NAME, Live
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.api import Api


def test_redeliver_sends_the_same_id_again(live: Live, api: Api) -> None:
    event_id = insert(live, 21, "refused")
    wait_until(lambda: live.endpoint.ids[event_id, NAME] == 1)
    assert api.done("pg_redeliver_event", {"event_id": event_id}) == SUCCESS
    wait_until(lambda: live.endpoint.ids[event_id, NAME] == 2, what="it comes again")


@pytest.mark.parametrize(
    "event_id", ["00000000-0000-7000-8000-000000000000", "no id", "", "\0", "\ud800"]
)
def test_an_event_that_is_not_there_is_not_exists(api: Api, event_id: str) -> None:
    for call in ("pg_redeliver_event", "pg_get_event_by_id"):
        code, path, text = api.refused(call, {"event_id": event_id})
        assert (code, path) == ("not-exists", "$.args")
        assert "does not exist" in text


def test_invoke_makes_a_manual_event_with_the_callers_session(live: Live, api: Api) -> None:
    call = b'{"type":"pg_invoke_event_trigger","args":{"name":"watched","payload":{"n":1.10}}}'
    status, _, answer = api.call(
        "POST", "/v1/metadata", call, x_hasura_role="admin", x_hasura_user_id="7"
    )
    assert status == 200
    wait_until(lambda: live.endpoint.ids[answer["event_id"], NAME] == 1)
    at = [body["id"] for body in live.endpoint.bodies].index(answer["event_id"])
    assert b'"data":{"old":null,"new":{"n":1.10}}' in live.endpoint.raw[at]
    event = live.endpoint.bodies[at]["event"]
    assert event["op"] == "MANUAL"
    assert event["session_variables"] == {"x-hasura-role": "admin", "x-hasura-user-id": "7"}


def test_invoke_wants_a_trigger_that_allows_it(live: Live, api: Api) -> None:
    code, path, _ = api.refused("pg_invoke_event_trigger", {"name": "nobody", "payload": {}})
    assert (code, path) == ("not-exists", "$.args")
    api.done("pg_create_event_trigger", definition(live))
    found = api.refused("pg_invoke_event_trigger", {"name": "second", "payload": None})
    assert found == (
        *("not-supported", "$.args"),
        "manual mode is not enabled for event trigger",
    )
    code, _, text = api.refused("pg_invoke_event_trigger", {"name": "second"})
    assert (code, text) == ("parse-failed", "the key 'payload' was not present")


def test_event_logs_have_hasuras_columns_newest_first(live: Live, api: Api) -> None:
    older, newer = insert(live, 31), insert(live, 32, "refused")
    wait_until(lambda: {"delivered", "dead"} <= states(api, older, newer))
    page = api.done("pg_get_event_logs", {"name": NAME, "status": "processed", "limit": 2})
    assert [each["id"] for each in page] == [newer, older]
    assert page[1] == {
        "id": older,
        "schema_name": "public",
        "table_name": "orders",
        "trigger_name": NAME,
        "payload": {
            "op": "INSERT",
            "data": {"old": None, "new": {"id": 31, "status": "new", "total": 31.1}},
            "session_variables": None,
            "trace_context": None,
        },
        "delivered": True,
        "error": False,
        "tries": 1,
        "created_at": page[1]["created_at"],
        "locked": None,
        "next_retry_at": None,
        "archived": False,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", page[1]["created_at"])
    assert (page[0]["delivered"], page[0]["error"]) == (False, True)
    following = api.done(
        "pg_get_event_logs", {"name": NAME, "status": "processed", "limit": 1, "offset": 1}
    )
    assert following == page[1:]
    assert api.done("pg_get_event_logs", {"name": NAME, "limit": 0}) == []


def test_logs_have_numbers_in_the_form_in_which_they_are_sent(live: Live, api: Api) -> None:
    api.done("pg_create_event_trigger", definition(live, stringify_numeric_types=True))
    event_id = insert(live, 33)
    wait_until(lambda: live.endpoint.ids[event_id, "second"] == 1)
    wait_until(lambda: states(api, event_id) == {"delivered"})
    [log] = api.done("pg_get_event_logs", {"name": "second", "limit": 1})
    [invocation] = api.done("pg_get_event_invocation_logs", {"name": "second", "limit": 1})
    sent = next(b for b in live.endpoint.bodies if b["trigger"]["name"] == "second")
    assert sent["event"]["data"]["new"] == {"id": 33, "status": "new", "total": "33.10"}
    assert log["payload"]["data"] == sent["event"]["data"]
    assert invocation["request"]["payload"] == sent


def states(api: Api, *ids: str) -> set[str]:
    details = (api.get(f"/api/events/{event_id}") for event_id in ids)
    return {delivery["status"] for detail in details for delivery in detail["deliveries"]}


def test_pending_logs_are_what_a_paused_trigger_has_parked(live: Live, api: Api) -> None:
    live.pause(paused=True)
    live.run("INSERT INTO orders VALUES (41, 'new', 1)")
    live.wait_parked(1)
    [log] = api.done("pg_get_event_logs", {"name": NAME, "status": "pending"})
    assert log["payload"]["data"]["new"]["id"] == 41
    assert (log["delivered"], log["error"], log["archived"]) == (False, False, False)
    assert api.done("pg_redeliver_event", {"event_id": log["id"]}) == SUCCESS
    live.pause(paused=False)
    live.wait_parked(0)
    assert api.done("pg_get_event_logs", {"name": NAME, "status": "pending"}) == []


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({}, "$.args"),
        ({"name": 1}, "$.args.name"),
        ({"name": NAME, "status": "lost"}, "$.args.status"),
        ({"name": NAME, "limit": -1}, "$.args.limit"),
        ({"name": NAME, "limit": 1001}, "$.args.limit"),
        ({"name": NAME, "limit": "5"}, "$.args.limit"),
        ({"name": NAME, "offset": 10**6}, "$.args.offset"),
        ({"name": NAME, "offset": 10**30}, "$.args.offset"),
    ],
    ids=str,
)
def test_logs_refuse_arguments_that_make_no_sense(
    api: Api, args: dict[str, Any], path: str
) -> None:
    assert api.refused("pg_get_event_logs", args)[:2] == ("parse-failed", path)


def test_logs_of_a_trigger_that_is_not_there_are_not_exists(api: Api) -> None:
    for call in ("pg_get_event_logs", "pg_get_event_invocation_logs"):
        assert api.refused(call, {"name": "nobody"})[0] == "not-exists"


def test_invocation_logs_have_request_and_response(live: Live, api: Api) -> None:
    event_id = insert(live, 51)
    [log] = api.done("pg_get_event_invocation_logs", {"name": NAME, "limit": 1})
    assert log["event_id"] == event_id
    assert (log["trigger_name"], log["http_status"]) == (NAME, 200)
    body = next(body for body in live.endpoint.bodies if body["id"] == event_id)
    assert log["request"]["payload"] == body
    assert (log["request"]["version"], log["request"]["headers"]) == ("2", [])
    assert log["response"]["type"] == "webhook_response"
    assert log["response"]["data"]["body"] == '{"got": 1}'
    assert log["response"]["data"]["status"] == 200


def test_an_event_by_its_id_comes_with_its_invocations(live: Live, api: Api) -> None:
    event_id = insert(live, 61, "refused")
    api.done("pg_redeliver_event", {"event_id": event_id})
    wait_until(lambda: len(api.get(f"/api/events/{event_id}")["attempts"]) == 2)
    found = api.done("pg_get_event_by_id", {"event_id": event_id})
    assert found["event"]["id"] == event_id
    assert found["event"]["error"] is True
    assert [each["http_status"] for each in found["invocations"]] == [500, 500]
    assert len({each["id"] for each in found["invocations"]}) == 2
    page = {"event_id": event_id, "invocation_log_limit": 1, "invocation_log_offset": 1}
    assert api.done("pg_get_event_by_id", page)["invocations"] == found["invocations"][1:]
