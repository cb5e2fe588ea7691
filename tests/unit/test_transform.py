"""What is sent and what is recorded when a trigger has transforms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.specs import trigger

from cdc_triggers.app.preview import sample
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.core.attempt import Failure, FailureKind, Request
from cdc_triggers.core.kriti import limits
from cdc_triggers.core.spec import Trigger

BODY = (
    b'{"id":"e1","table":{"schema":"public","name":"orders"},"event":{"op":"INSERT",'
    b'"session_variables":{"x-hasura-role":"admin"},"trace_context":null,'
    b'"data":{"old":null,"new":{"id":7,"total":1.10,"note":"a&b c","nothing":null}}}}'
)
WEBHOOK = "https://shop.example/hook?key=1&flag#top"
NEW = "$body.event.data.new"


def spec(request: dict[str, Any] | None = None, **changes: Any) -> Trigger:
    transform = None if request is None else {"version": 2, **request}
    return trigger(webhook=WEBHOOK, **{"request_transform": transform, **changes})


def build(made: Trigger, body: bytes = BODY, **environ: str) -> Request | Failure:
    return RequestFactory(environ).build(made, sample(made, "INSERT", b"{}"), body)


def sent(request: dict[str, Any], body: bytes = BODY, **changes: Any) -> Request:
    made = build(spec(request, **changes), body)
    assert isinstance(made, Request), made
    return made


def failed(request: dict[str, Any], body: bytes = BODY) -> str:
    made = build(spec(request), body)
    assert isinstance(made, Failure)
    assert made.kind is FailureKind.TEMPLATE
    return made.message


# ---- the request


def test_without_a_transform_the_body_is_posted_to_the_webhook_as_it_is() -> None:
    request = build(spec())
    assert request == (WEBHOOK, (("content-type", "application/json"),), BODY, 60, "POST")


def test_an_empty_transform_changes_nothing() -> None:
    assert sent({}) == build(spec())


@pytest.mark.parametrize("method", ["GET", "put", "Patch", "DELETE"])
def test_the_method_is_replaced(method: str) -> None:
    assert sent({"method": method}).method == method.upper()


def test_a_body_is_made_from_its_template_and_numbers_keep_their_digits() -> None:
    template = f'{{"id": {{{{ {NEW}.id }}}}, "total": {{{{ {NEW}.total }}}}, "from": "orders"}}'
    request = sent({"body": {"action": "transform", "template": template}})
    assert request.body == b'{"id":7,"total":1.10,"from":"orders"}'
    assert request.headers == (("content-type", "application/json"),)


def test_version_1_has_a_bare_template_and_no_version() -> None:
    made = trigger(webhook=WEBHOOK, request_transform={"body": f"{{{{ {NEW}.total }}}}"})
    request = build(made)
    assert isinstance(request, Request)
    assert request.body == b"1.10"


def test_a_body_can_be_removed() -> None:
    assert sent({"method": "GET", "body": {"action": "remove"}}).body == b""


def test_a_form_is_encoded_and_says_so() -> None:
    form = {
        "id": f"{{{{ {NEW}.id }}}}",
        "a note": f"{{{{{NEW}.note}}}}!",
        "no": f"{{{{{NEW}.nothing}}}}",
    }
    request = sent({"body": {"action": "x_www_form_urlencoded", "form_template": form}})
    assert request.body == b"id=7&a%20note=a%26b%20c!&no=null"
    assert request.headers == (("content-type", "application/x-www-form-urlencoded"),)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("{{$base_url}}", WEBHOOK),
        ("https://other/{{ $body.event.op }}", "https://other/INSERT"),
        ("{{ concat([$base_url, '']) }}", None),
        ("https://x/{{ escapeUri($body.event.data.new.note) }}", "https://x/a%26b%20c"),
    ],
)
def test_the_url_is_a_template_for_text(url: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="text stands in double quotes"):
            spec({"url": url})
    else:
        assert sent({"url": url}).url == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"id": f"{{{{ {NEW}.id }}}}"}, "?id=7"),
        ({"a b": f"{{{{ {NEW}.note }}}}", "c": "x{{ $body.id }}"}, "?a%20b=a%26b%20c&c=xe1"),
        ({"id": f"{{{{ {NEW}.nothing }}}}", "x": "1", "y": None}, "?x=1"),
        ({"no": f"{{{{ {NEW}.nothing }}}}"}, ""),
        ({f"{{{{ {NEW}.note }}}}": "{{ $body.event.op }}"}, "?a%26b%20c=INSERT"),
        ({}, ""),
        ("a={{ $body.id }}&b=x y&flag", "?a=e1&b=x%20y&flag"),
        ('{{ concat([concat({{ range _, x := ["u", "v"] }} "t={{x}}&" {{ end }}), "f=1"]) }}',
         "?t=u&t=v&f=1"),
        ("?a=1,2", "?a=1%2C2"),
        ("", ""),
        (None, "?key=1&flag"),
    ],
)  # fmt: skip
def test_query_params_replace_the_query(params: Any, expected: str) -> None:
    assert sent({"query_params": params}).url == f"https://shop.example/hook{expected}#top"


def test_query_params_are_put_on_the_url_that_was_made() -> None:
    request = sent({"url": "https://x/y?z=1", "query_params": {"a": "b"}})
    assert request.url == "https://x/y?a=b"


def test_templates_see_the_query_of_the_webhook_as_pairs() -> None:
    template = "{{ $query_params }}"
    request = sent({"body": {"action": "transform", "template": template}})
    assert json.loads(request.body) == [["key", "1"], ["flag", None]]


def test_headers_are_removed_first_and_then_set() -> None:
    headers = [{"name": "X-Old", "value": "a"}, {"name": "X-Key", "value": "b"}]
    changes = {
        "add_headers": {"x-key": "{{ $body.event.op }}", "X-Old": "new"},
        "remove_headers": ["x-old", "content-type"],
    }
    request = sent({"request_headers": changes}, headers=headers)
    assert request.headers == (("x-key", "INSERT"), ("X-Old", "new"))


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"content_type": "application/xml"}, "application/xml"),
        ({"body": {"action": "x_www_form_urlencoded", "form_template": {}}, "content_type": "a/b"},
         "a/b"),
        ({"content_type": "a/b", "request_headers": {"add_headers": {"Content-Type": "c"}}}, "c"),
    ],
)  # fmt: skip
def test_the_content_type_can_be_set_in_two_places(transform: Any, expected: str) -> None:
    (header,) = sent(transform).headers
    assert (header[0].lower(), header[1]) == ("content-type", expected)


def test_trace_headers_can_be_removed_too() -> None:
    trace = b'{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}'
    made = spec({"request_headers": {"remove_headers": ["TraceParent"]}})
    for each, count in ((spec(), 2), (made, 1)):
        event = sample(each, "INSERT", b"{}", trace=trace)
        request = RequestFactory({}).build(each, event, BODY)
        assert isinstance(request, Request)
        assert len(request.headers) == count


def test_session_variables_are_seen_in_two_ways_and_may_be_absent() -> None:
    template = '[{{ $session_variables }}, {{ getSessionVariable("X-Hasura-Role") }}]'
    transform = {"body": {"action": "transform", "template": template}}
    assert sent(transform).body == b'[{"x-hasura-role":"admin"},"admin"]'
    absent = BODY.replace(b'{"x-hasura-role":"admin"}', b"null")
    assert "getSessionVariable found no such session variable" in failed(transform, absent)


def test_the_base_url_has_the_environment_filled_in() -> None:
    made = trigger(webhook="https://{{HOST}}/h", request_transform={"url": "{{$base_url}}/x"})
    request = build(made, HOST="shop")
    assert isinstance(request, Request)
    assert request.url == "https://shop/h/x"
    assert build(made) == (FailureKind.INVALID_REQUEST, "environment variable HOST is not set")


# ---- what fails


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"body": {"action": "transform", "template": '{\n  "a": {{ $body.nope }}}'}},
         "request_transform.body.template, line 2, column 16: $body has no key 'nope'"),
        ({"url": "{{ $body.id }}"}, "request_transform.url, line 1, column 1: gives a URL that"),
        ({"url": "https://x/{{ $body.event.data.new.note }}"},
         "request_transform.url, line 1, column 1: gives a URL that is empty or holds white space"),
        ({"query_params": {"a": "{{ $body.event.data.new.id.x }}"}},
         "request_transform.query_params.a, line 1, column 27: $body.event.data.new.id is a nu"),
        ({"request_headers": {"add_headers": {"X-A": '{{ "a\\nb" }}'}}},
         "request_transform.request_headers.add_headers.X-A, line 1, column 1: a header value is"),
        ({"body": {"action": "x_www_form_urlencoded", "form_template": {"a": "{{ $body.x }}"}}},
         "request_transform.body.form_template.a, line 1, column 9: $body has no key 'x'"),
        ({"query_params": {"a": '{{ "\\ud800" }}'}},
         "request_transform.query_params.a, line 1, column 1: the query holds text that is no"),
        ({"body": {"action": "x_www_form_urlencoded", "form_template": {"a": '{{ "\\ud800" }}'}}},
         "request_transform.body.form_template.a, line 1, column 1: the form holds text"),
    ],
)  # fmt: skip
def test_a_template_that_fails_is_named_with_its_place(transform: Any, expected: str) -> None:
    assert failed(transform).startswith(expected)


def test_an_event_that_is_too_large_is_not_read() -> None:
    transform = {"body": {"action": "transform", "template": "{{ $body.id }}"}}
    large = BODY.replace(b'"a&b c"', b'"' + b"x" * limits.INPUT_BYTES + b'"')
    assert "the event has more than" in failed(transform, large)
    many = BODY.replace(b'"a&b c"', b"[" + b"1," * limits.INPUT_NUMBERS + b"1]")
    assert "the event holds more than 250000 numbers" in failed(transform, many)
    many = BODY.replace(b'"a&b c"', b"[" + b"[]," * limits.VALUES + b"[]]")
    assert "the event holds more than 500000 values" in failed(transform, many)
    assert sent({"url": "{{$base_url}}", "method": "PUT"}, large).body == large


def test_a_query_of_too_many_pairs_is_not_taken_apart() -> None:
    large = BODY.replace(b'"a&b c"', b'"' + b"a&" * limits.STEPS + b'"')
    found = failed({"query_params": f"{{{{ {NEW}.note }}}}"}, large)
    assert found.startswith("request_transform.query_params, line 1, column 1: takes more than")


def test_all_templates_of_a_request_share_their_steps() -> None:
    numbers = BODY.replace(b'"a&b c"', b"[" + b"1," * 999 + b"1]")
    loop = (
        f"{{{{ size({{{{ range _, x := {NEW}.note }}}} {', '.join(['1'] * 1)} {{{{ end }}}}) }}}}"
    )
    one = {"request_headers": {"add_headers": {"X-1": loop}}}
    assert sent(one, numbers).headers[-1] == ("X-1", "1000")
    many = {"request_headers": {"add_headers": {f"X-{n}": loop for n in range(100)}}}
    assert "takes more than 100000 steps" in failed(many, numbers)


# ---- the definition


@pytest.mark.parametrize(
    "transform",
    [
        {"body": "{{ $body }}"},
        {"version": 2, "query_params": {"a": None, "b": "1"}, "method": None},
        {"version": 2, "body": {"action": "x_www_form_urlencoded", "form_template": {"a": "b"}}},
        {"template_engine": "Kriti", "query_params": {}, "content_type": "application/json"},
    ],
)
def test_a_definition_that_was_stored_is_the_same_when_it_is_read(transform: Any) -> None:
    made = trigger(request_transform=transform)
    stored = made.model_dump_json(by_alias=True, exclude_none=True)
    assert Trigger.model_validate_json(stored) == made
    assert '"version":2' in stored
