"""Hasura's metadata API, call by call, on a stream that runs: the same shapes, the same codes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support import databases
from support.api import Api, serving
from support.live import NAME, Live
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Pool

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric);
CREATE TABLE shipped (id int PRIMARY KEY)"""
EVERYTHING = {"insert": {}, "update": {}, "delete": {}, "enable_manual": True}
SUCCESS = {"message": "success"}


def decide(body: dict[str, Any], seen: int) -> Reply:
    """Rows with this status never arrive."""
    del seen
    new = body["event"]["data"]["new"] or {}
    return Reply(500 if new.get("status") == "refused" else 200, (), b'{"got": 1}')


@pytest.fixture(scope="module")
def running(server_pool: Pool) -> Iterator[tuple[Live, Api]]:
    database = databases.create(server_pool.get("18"))
    with serving(database, TABLES, decide=decide, definition=EVERYTHING) as found:
        yield found
    database.drop()


@pytest.fixture
def live(running: tuple[Live, Api]) -> Live:
    return running[0]


@pytest.fixture
def api(running: tuple[Live, Api]) -> Iterator[Api]:
    """At the end of a test only the first trigger is there."""
    yield running[1]
    triggers = running[1].get("/api/triggers")["triggers"]
    for name in {each["name"] for each in triggers} - {NAME}:
        running[1].done("pg_delete_event_trigger", {"name": name})


def definition(live: Live, name: str = "second", **keys: Any) -> dict[str, Any]:
    """Arguments as Hasura's console sends them."""
    return {
        "name": name,
        "table": {"name": "orders", "schema": "public"},
        "source": "default",
        "webhook": live.endpoint.url,
        "webhook_from_env": None,
        "insert": {"columns": "*"},
        "update": None,
        "delete": None,
        "headers": [],
        "retry_conf": {"num_retries": 0, "interval_sec": 10, "timeout_sec": 60},
        "replace": False,
        "request_transform": None,
        **keys,
    }


def insert(live: Live, number: int, status: str = "new") -> str:
    """A row; the id of its event for the first trigger, which is settled."""
    live.run(f"INSERT INTO orders VALUES ({number}, '{status}', {number}.10)")

    def arrived() -> list[dict[str, Any]]:
        return [
            body
            for body in live.endpoint.bodies
            if body["trigger"]["name"] == NAME
            and (body["event"]["data"]["new"] or {}).get("id") == number
        ]

    wait_until(arrived, what="the row arrives")
    wait_recorded(live, arrived()[0]["id"])
    return str(arrived()[0]["id"])


def wait_recorded(live: Live, event_id: str) -> None:
    query = "SELECT count(*) FROM cdc_triggers.attempt WHERE event_id = %s"
    wait_until(
        lambda: live.database.execute(query, event_id) != [(0,)], what="the attempt is recorded"
    )


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


def test_export_and_replace_are_a_round_trip(live: Live, api: Api) -> None:
    own = definition(live, ordering="none", comment="ours", headers=[{"name": "a", "value": "b"}])
    api.done("pg_create_event_trigger", own)
    exported = api.done("export_metadata", version=2)
    before = api.get("/api/triggers")["triggers"]
    assert exported["metadata"] == api.done("export_metadata")
    [source] = exported["metadata"]["sources"]
    assert (source["name"], source["kind"]) == ("default", "postgres")
    [table] = source["tables"]
    assert table["table"] == {"schema": "public", "name": "orders"}
    assert [each["name"] for each in table["event_triggers"]] == [NAME, "second"]
    assert table["event_triggers"][1]["retry_conf"]["timeout_sec"] == 60
    assert live.database.dsn not in json.dumps(exported)
    answer = api.done("replace_metadata", {"metadata": exported["metadata"]}, version=2)
    assert answer == {"is_consistent": True, "inconsistent_objects": []}
    assert api.get("/api/triggers")["triggers"] == before
    without = {
        **exported["metadata"],
        "sources": [{**source, "tables": [{**table, **keep(table)}]}],
    }
    assert api.done("replace_metadata", without) == SUCCESS
    assert [each["name"] for each in api.get("/api/triggers")["triggers"]] == [NAME]


def keep(table: dict[str, Any]) -> dict[str, Any]:
    """A table with its first trigger only."""
    return {"event_triggers": table["event_triggers"][:1]}


def test_replace_says_what_it_leaves_out_and_where_something_is_wrong(live: Live, api: Api) -> None:
    metadata = api.done("export_metadata")
    metadata["actions"] = [{"name": "an action"}]
    table = metadata["sources"][0]["tables"][0]
    table["select_permissions"] = [{"role": "user"}]
    answer = api.done("replace_metadata", {"metadata": metadata})
    assert {each["name"] for each in answer["warnings"]} >= {"actions"}
    strict = {"metadata": metadata, "allow_warnings": False}
    assert api.refused("replace_metadata", strict)[0] == "metadata-warnings"
    table["event_triggers"].append(
        {**table["event_triggers"][0], "name": "x", "webhook": "ftp://x"}
    )
    place = "$.args.metadata.sources[0].tables[0].event_triggers[1].webhook"
    assert api.refused("replace_metadata", {"metadata": metadata})[:2] == ("parse-failed", place)
    assert [each["name"] for each in api.get("/api/triggers")["triggers"]] == [NAME]


def test_a_change_meant_for_another_state_is_a_conflict(live: Live, api: Api) -> None:
    version = api.done("export_metadata", version=2)["resource_version"]
    api.done("pg_create_event_trigger", definition(live), resource_version=version)
    status, answer = api.metadata(
        "pg_delete_event_trigger", {"name": "second"}, resource_version=version
    )
    assert (status, answer["code"]) == (409, "conflict")


def test_a_bulk_of_changes_is_all_or_nothing(live: Live, api: Api) -> None:
    create = {"type": "pg_create_event_trigger", "args": definition(live)}
    wrong = {"type": "pg_delete_event_trigger", "args": {"name": "nobody"}}
    code, path, _ = api.refused("bulk", [create, wrong])
    assert (code, path) == ("not-exists", "$.args[1].args")
    assert [each["name"] for each in api.get("/api/triggers")["triggers"]] == [NAME]
    logs = {"type": "pg_get_event_logs", "args": {"name": "second", "limit": 0}}
    delete = {"type": "pg_delete_event_trigger", "args": {"name": "second"}}
    assert api.done("bulk", [create, logs, delete]) == [SUCCESS, [], SUCCESS]
    first, second, third = api.done("bulk_keep_going", [create, wrong, delete])
    assert (first, third) == (SUCCESS, SUCCESS)
    assert (second["code"], second["path"]) == ("not-exists", "$.args[1].args")
    assert api.refused("bulk_atomic", [create, logs])[0] == "not-supported"
    assert api.done("bulk_atomic", [create, delete]) == [SUCCESS, SUCCESS]


def test_transforms_are_tried_without_sending(api: Api) -> None:
    args = {
        "webhook_url": "http://localhost:1234/{{PLACE}}",
        "request_headers": [["myKey", "{{PLACE}}"]],
        "body": {"hello": "world", "n": 1},
        "env": {"PLACE": "here"},
        "session_variables": {"x-hasura-user-id": "7"},
        "request_transform": {
            "version": 2,
            "template_engine": "Kriti",
            "method": "PUT",
            "url": "{{$base_url}}/{{$body.hello}}",
            "query_params": {"user": "{{$session_variables['x-hasura-user-id']}}"},
            "body": {"action": "transform", "template": '{"n": {{$body.n}}}'},
        },
    }
    assert api.done("test_webhook_transform", args) == {
        "webhook_url": "http://localhost:1234/here/world?user=7",
        "method": "PUT",
        "headers": [["mykey", "here"]],
        "body": {"n": 1},
    }
    found = api.refused("test_webhook_transform", {**args, "env": {}})
    assert found[0] == "not-found"
    assert "Missing Env Var: PLACE" in found[2]


def test_a_transform_that_fails_is_validation_failed_with_the_place(api: Api) -> None:
    args = {"webhook_url": "http://x", "body": {}, "request_transform": {"body": "{{ $body.a"}}
    status, answer = api.metadata("test_webhook_transform", args)
    assert (status, answer["code"], answer["path"]) == (400, "validation-failed", "$.args")
    assert answer["error"].startswith("request transform validation failed")
    assert "line 1, column 11" in answer["internal"][0]["message"]
    args["request_transform"] = {"body": "{{ $body.a }}"}
    _, answer = api.metadata("test_webhook_transform", args)
    assert answer["internal"][0]["error_code"] == "TransformationError"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid-json"),
        (b"{", "invalid-json"),
        (b"\xff", "invalid-json"),
        (b"NaN", "invalid-json"),
        (b"[" * 100_000, "invalid-json"),
        (b"[]", "parse-failed"),
        (b"{}", "parse-failed"),
        (b'{"type": 1}', "parse-failed"),
        (b'{"type": "pg_get_event_logs"}', "parse-failed"),
        (b'{"type": "pg_get_event_logs", "args": []}', "parse-failed"),
        (b'{"type": "bulk", "args": {}}', "parse-failed"),
        (b'{"type": "bulk", "args": [{"type": "bulk", "args": []}]}', "not-supported"),
        (b'{"type": "mssql_create_event_trigger", "args": {}}', "parse-failed"),
        (b'{"type": "\\ud800", "args": {}}', "parse-failed"),
        (b'{"type": "export_metadata", "resource_version": "x"}', "parse-failed"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_call_is_refused(api: Api, body: bytes, code: str) -> None:
    status, _, answer = api.call("POST", "/v1/metadata", body)
    assert (status, answer["code"]) == (400, code)
    assert answer["path"].startswith("$")


def test_another_role_than_admin_may_not_call(api: Api) -> None:
    call = {"type": "export_metadata", "args": {}}
    status, _, answer = api.call("POST", "/v1/metadata", call, x_hasura_role="user")
    assert (status, answer["code"]) == (400, "access-denied")


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
