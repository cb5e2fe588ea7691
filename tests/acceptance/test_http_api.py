"""Hasura's metadata API on a stream that runs: metadata, bulks, transforms, what is no call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.hasura_api import SUCCESS, definition
from support.live import NAME, Live

if TYPE_CHECKING:
    from support.api import Api


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
    half = [["a", "\ud800"]]
    refused = api.refused("test_webhook_transform", {**args, "request_headers": half})
    assert refused[:2] == ("parse-failed", "$.args.request_headers")


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
