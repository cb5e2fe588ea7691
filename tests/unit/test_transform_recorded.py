"""What is recorded of an attempt when a trigger has transforms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.specs import trigger

from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.core import attempt_log
from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Response

BODY = (
    b'{"id":"e1","event":{"op":"INSERT","session_variables":{"x-hasura-role":"admin"},'
    b'"data":{"old":null,"new":{"id":7}}}}'
)
WEBHOOK = "https://shop.example/hook?key=1&flag#top"


def recorded(transform: Any, answer: bytes, status: int = 200) -> dict[str, Any]:
    made = trigger(webhook=WEBHOOK, response_transform=transform)
    outcome = RequestFactory({}).answered(made, BODY, Response(status, (), answer))
    text = attempt_log.describe_response(outcome)
    assert text is not None
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_response_template_changes_only_what_is_recorded() -> None:
    made = trigger(response_transform={"body": '{"code": {{ $response.status }}}'})
    before = Response(503, (("retry-after", "5"),), b"busy")
    outcome = RequestFactory({}).answered(made, BODY, before)
    assert isinstance(outcome, Response)
    assert outcome._replace(recorded=None) == before
    assert outcome.recorded == (b'{"code":503}', None)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"body": "{{ $body.a.b }}"}, "1.50"),
        ({"version": 2, "body": {"action": "transform", "template": '"x {{ $body.a }}"'}},
         '"x {\\"b\\":1.50}"'),
        ({"version": 2, "body": {"action": "remove"}}, ""),
        ({"version": 2, "body": {"action": "x_www_form_urlencoded",
                                 "form_template": {"b": "{{$body.a}}"}}},
         "b=%7B%22b%22%3A1.50%7D"),
        ({"body": "{{ $request.body.event.op }}"}, '"INSERT"'),
        ({"body": "[{{ $request.method }}, {{ $request.url }}, {{ $base_url }}]"},
         f'["POST","{WEBHOOK}","{WEBHOOK}"]'),
        ({"body": "{{ $session_variables }}"}, '{"x-hasura-role":"admin"}'),
        ({"body": "{{ $request.query_params[0] }}"}, '["key","1"]'),
        ({"version": 2}, '{"a": {"b": 1.50}}'),
    ],
)  # fmt: skip
def test_a_response_template_sees_the_answer_and_the_request(transform: Any, expected: str) -> None:
    assert recorded(transform, b'{"a": {"b": 1.50}}')["body"] == expected


def test_an_answer_that_is_not_json_is_null() -> None:
    assert recorded({"body": '{"got": {{ $body }}}'}, b"<html>")["body"] == '{"got":null}'


def test_a_response_template_that_fails_leaves_the_answer_and_says_why() -> None:
    found = recorded({"body": "{{ $body.a }}"}, b"<html>", status=201)
    assert (found["status"], found["body"]) == (201, "<html>")
    expected = "response_transform.body.template, line 1, column 9: $body is null, not an object"
    assert found["transform_error"].startswith(expected)


def test_no_more_is_recorded_than_of_any_answer() -> None:
    grow = {"body": "{{ range _, x := [1, 2, 3] }} {{ $body }} {{ end }}"}
    found = recorded(grow, b'"' + b"x" * 30_000 + b'"')
    assert len(found["body"]) == 30_002
    assert "gives more than 65536 bytes to record" in found["transform_error"]


def test_what_a_response_template_takes_of_the_request_holds_no_environment_value() -> None:
    made = trigger(
        webhook="https://{{HOST}}/{{KEY}}", response_transform={"body": "{{ $base_url }}"}
    )
    factory = RequestFactory({"HOST": "shop", "KEY": "s3cr3t"})
    outcome = factory.answered(made, BODY, Response(200, (), b""))
    assert isinstance(outcome, Response)
    assert outcome.recorded == (b'"https://{{HOST}}/{{KEY}}"', None)


def test_a_failure_has_no_answer_to_transform() -> None:
    outcome: Outcome = Failure(FailureKind.DNS, "x")
    made = trigger(response_transform={"body": "1"})
    assert RequestFactory({}).answered(made, BODY, outcome) is outcome


def test_the_log_has_the_request_as_the_templates_have_it() -> None:
    made = trigger(
        webhook="{{SHOP}}/hook",
        headers=[
            {"name": "X-Secret", "value_from_env": "SECRET"},
            {"name": "X-Old", "value": "a"},
            {"name": "X-Gone", "value": "b"},
        ],
        request_transform={
            "version": 2,
            "method": "PUT",
            "url": "{{$base_url}}/{{$body.id}}",
            "query_params": {"a": "{{$body.id}}"},
            "request_headers": {
                "add_headers": {"x-old": "{{$body.id}}"},
                "remove_headers": ["x-gone"],
            },
        },
    )
    assert json.loads(attempt_log.describe_request(made)) == {
        "method": "PUT",
        "url": "{{$base_url}}/{{$body.id}}",
        "query_params": {"a": "{{$body.id}}"},
        "headers": [
            {"name": "X-Secret", "value_from_env": "SECRET"},
            {"name": "x-old", "value": "{{$body.id}}"},
        ],
    }
