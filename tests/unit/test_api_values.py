"""What the HTTP API reads and writes: numbers, triggers, metadata, calls that wait."""

from __future__ import annotations

import asyncio
import json
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from cdc_triggers.app import document
from cdc_triggers.console import (
    application,
    json_body,
    metadata_file,
    openapi,
    schemas,
    trigger_value,
)
from cdc_triggers.console.answers import ApiError
from cdc_triggers.console.auth import Access
from cdc_triggers.console.calls import Lane
from cdc_triggers.console.resource import Desk
from cdc_triggers.console.rest import OPERATIONS
from cdc_triggers.core.model import STORED
from cdc_triggers.core.spec import Trigger
from cdc_triggers.postgres.amending import State

if TYPE_CHECKING:
    from cdc_triggers.console.probes import Metrics

SMALL = {"name": "t", "table": "orders", "insert": {"columns": "*"}, "webhook": "http://x"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1.10,"b":[1e400,-0.0]}',
        '{"big":123456789012345678901234567890}',
        '{"id":9007199254740993}',
        '"\\u0000"',
        "null",
        '{"":{"":[]}}',
    ],
)
def test_json_that_is_passed_on_keeps_its_digits(text: str) -> None:
    assert json_body.dumps(json_body.loads(text.encode()), "$") == text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b'{"a":1}x', b"[" * 100_000]
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        json_body.loads(body)
    assert caught.value.code == "invalid-json"


@pytest.mark.parametrize("value", ["\ud800", [[]]])
def test_json_that_cannot_be_encoded_is_refused(value: Any) -> None:
    for _ in range(300 if value == [[]] else 0):
        value = [value]
    with pytest.raises(ApiError) as caught:
        json_body.dumps(value, "$.args.payload")
    assert caught.value.path == "$.args.payload"
    assert orjson.dumps(caught.value.document())


def test_a_trigger_that_cannot_be_encoded_is_refused_at_its_place() -> None:
    query = {"version": 2, "query_params": {"\ud800": "a"}}
    given = {"name": "a", "table": "b", "webhook": "https://x", "enable_manual": True}
    for key, value in (("comment", "\ud800"), ("comment", "\0"), ("request_transform", query)):
        with pytest.raises(ApiError) as caught:
            trigger_value.read({**given, key: value}, "$", {})
        assert (caught.value.status, caught.value.path.split(".")[1]) == (400, key)


def test_a_trigger_that_is_stored_already_is_read_whatever_it_holds() -> None:
    given = {"name": "a", "table": {"name": "b"}, "definition": {"enable_manual": True}}
    given |= {"webhook": "https://x", "comment": "\0"}
    assert Trigger.model_validate(given, context=STORED).comment == "\0"
    assert Trigger.model_validate_json(json.dumps(given)).comment == "\0"


def test_an_error_can_always_be_sent() -> None:
    internal = [{"path": "\ud800", "error": "\ud800"}]
    error = ApiError(400, "code", "\ud800", path="$.\ud800", internal=internal)
    assert orjson.loads(error.answer().content)["internal"] == [{"path": "?", "error": "?"}]


def test_a_trigger_is_read_flat_or_with_a_definition_and_null_is_nothing() -> None:
    flat = {**SMALL, "update": None, "headers": None, "retry_conf": {"timeout_sec": None}}
    nested = {**SMALL, "definition": {"insert": {"columns": "*", "payload": None}, "update": None}}
    del nested["insert"]
    expected = Trigger.model_validate(
        {**{k: v for k, v in nested.items() if k != "definition"}, "definition": {"insert": {}}}
    )
    assert trigger_value.read(flat, "$", {}) == expected
    assert trigger_value.read(nested, "$", {}) == expected


def test_a_trigger_with_what_is_no_character_is_refused() -> None:
    assert trigger_value.read({**SMALL, "comment": "\\u0000"}, "$.args", {}).comment == "\\u0000"
    for text in ("\ud800", "\0", "\\\0"):
        with pytest.raises(ApiError) as caught:
            trigger_value.read({**SMALL, "comment": text}, "$.args", {})
        assert (caught.value.code, caught.value.path) == ("parse-failed", "$.args.comment")


def test_a_variable_that_is_not_set_where_the_stream_runs_is_a_problem() -> None:
    given = {**SMALL, "webhook": "{{HOOK}}/{{MORE}}"}
    with pytest.raises(ApiError) as caught:
        trigger_value.read(dict(given), "$.args", {})
    assert "HOOK" in caught.value.message
    assert "MORE" in caught.value.message
    with pytest.raises(ApiError) as caught:
        trigger_value.read(dict(given), "$.args", {"HOOK": "secret-value", "MORE": "x"})
    assert "secret-value" not in str(caught.value.document())
    assert trigger_value.read(dict(given), "$", {"HOOK": "https://x", "MORE": "y"})


FULL: dict[str, Any] = {
    "name": "full",
    "table": {"schema": "shop", "name": "orders"},
    "definition": {"update": {"columns": ["a"], "payload": ["b"]}, "enable_manual": True},
    "webhook_from_env": "HOOK",
    "headers": [{"name": "a", "value": "b"}, {"name": "c", "value_from_env": "D"}],
    "retry_conf": {"num_retries": 3, "backoff": "exponential"},
    "ordering_key": ["a"],
    "max_in_flight": 3,
    "trigger_on_replication": True,
    "request_transform": {"version": 2, "method": "PUT"},
    "comment": "said",
}


@pytest.mark.parametrize("given", [SMALL, FULL], ids=["small", "full"])
def test_what_is_exported_reads_as_the_same_trigger(given: dict[str, Any]) -> None:
    trigger = trigger_value.read(dict(given), "$", {"HOOK": "https://x", "D": "d"})
    state = State({trigger.name: trigger}, {trigger.name: str(trigger.table)}, 1)
    metadata = orjson.loads(orjson.dumps(metadata_file.write(state, "shop")))
    [exported] = metadata["sources"][0]["tables"][0]["event_triggers"]
    assert set(exported["retry_conf"]) >= {"num_retries", "interval_sec", "timeout_sec"}
    found = metadata_file.read(metadata, "$", "shop", {"HOOK": "https://x", "D": "d"})
    assert found.triggers == (trigger,)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ([], "$"),
        ({}, "$"),
        ({"sources": {}}, "$.sources"),
        ({"sources": [{"name": "a"}, {"name": "b"}]}, "$.sources"),
        ({"sources": [{"name": "a", "kind": "mssql"}]}, "$.sources"),
        ({"sources": [{"name": "default", "tables": {}}]}, "$.sources[0].tables"),
        ({"tables": [{"table": "t", "event_triggers": {}}]}, "$.tables[0].event_triggers"),
        ({"tables": [{"table": "t", "event_triggers": [1]}]}, "$.tables[0].event_triggers[0]"),
    ],
    ids=str,
)
def test_what_is_no_metadata_is_refused_with_its_place(metadata: Any, path: str) -> None:
    with pytest.raises(ApiError) as caught:
        metadata_file.read(metadata, "$", "default", {})
    assert caught.value.path == path


def test_the_problems_of_all_triggers_of_metadata_are_told() -> None:
    triggers = [{**SMALL, "webhook": "ftp://x"}, {**SMALL, "name": "a b"}]
    metadata = {"tables": [{"table": "orders", "event_triggers": triggers}]}
    with pytest.raises(ApiError) as caught:
        metadata_file.read(metadata, "$", "default", {})
    assert [each["path"] for each in caught.value.internal] == [  # type: ignore[attr-defined]
        "$.tables[0].event_triggers[0].webhook",
        "$.tables[0].event_triggers[1].name",
    ]


def test_the_name_of_a_trigger_is_there_only_once_in_metadata() -> None:
    metadata = {"tables": [{"table": "orders", "event_triggers": [dict(SMALL), dict(SMALL)]}]}
    with pytest.raises(ApiError, match="two event triggers"):
        metadata_file.read(metadata, "$", "default", {})


def test_every_operation_has_its_own_name_and_a_described_answer() -> None:
    described = schemas.components()
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS)
    assert {each.answers for each in OPERATIONS} <= set(described)
    references = set(_references(described))
    assert references <= {f"#/components/schemas/{name}" for name in described}


@pytest.mark.parametrize("metrics", [lambda _: ("text/plain", b""), None])
def test_what_is_served_is_described_and_nothing_else(metrics: Metrics | None) -> None:
    access = Access("secret", loopback=True)
    nothing: Any = None
    desk = Desk(nothing, access, nothing, "default", nothing, nothing)
    routes = application.build(desk, lambda: None, dict, metrics).routes
    described = openapi.document(secret=True, metrics=metrics is not None)["paths"]
    assert {getattr(route, "path", "") for route in routes} == set(described)


def test_the_description_says_what_a_dry_run_counts() -> None:
    counted = {
        each.path: parameter.about
        for each in OPERATIONS
        for parameter in each.query
        if parameter.name == "dry_run"
    }
    for path, about in counted.items():
        what = "deleted" if path.endswith("/cleanup") else "sent again"
        assert about == f"only count what would be {what}", path


def test_the_description_has_every_key_of_the_probes() -> None:
    responses = openapi.document(secret=True)["paths"]["/readyz"]["get"]["responses"]
    keys = {}
    for status, response in responses.items():
        reference = response["content"]["application/json"]["schema"]["$ref"]
        keys[status] = set(schemas.components()[reference.rpartition("/")[2]]["properties"])
    counted = {"recoveries", "recovered"}
    assert keys == {"200": {"status"} | counted, "503": {"status", "reason"} | counted}


def _references(value: object) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for below in value.values():
            yield from _references(below)
    elif isinstance(value, list):
        for below in value:
            yield from _references(below)


def test_a_lane_runs_calls_in_order_and_hands_over_what_they_raise() -> None:
    async def main() -> None:
        lane, order = Lane("test"), list[int]()
        await asyncio.gather(*(lane.run(partial(order.append, n)) for n in range(10)))
        assert order == list(range(10))
        with pytest.raises(KeyError):
            await lane.run(lambda: dict[str, int]()["x"])
        assert await lane.run(lambda: 1) == 1
        lane.close()

    asyncio.run(main())


def test_a_lane_refuses_what_is_too_much_and_ends_no_call_that_takes_long() -> None:
    async def main() -> None:
        lane, gate, done = Lane("test", waiting=2, timeout_s=0.05), threading.Event(), list[int]()

        def slow() -> None:
            gate.wait(10)
            done.append(1)

        first = asyncio.ensure_future(lane.run(slow))
        second = asyncio.ensure_future(lane.run(slow))
        await asyncio.sleep(0)
        with pytest.raises(ApiError, match="too many"):
            await lane.run(slow)
        for waiting in (first, second):
            with pytest.raises(ApiError, match="it goes on"):
                await waiting
        gate.set()
        lane.close()

    asyncio.run(main())


def test_a_lane_that_is_closed_lets_nobody_wait() -> None:
    async def main() -> None:
        lane, gate = Lane("test"), threading.Event()
        waiting = asyncio.ensure_future(lane.run(lambda: gate.wait(10)))
        await asyncio.sleep(0)
        lane.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.set()

    asyncio.run(main())


def test_times_and_json_in_a_document_are_as_in_a_body() -> None:
    assert document.dumps({"a": document.raw("1.10")}) == b'{"a":1.10}'
    assert document.raw(None) is None
