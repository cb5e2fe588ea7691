"""What a page about one event is made of: the diff, the curl command, places of mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.console.pages import trying
from cdc_triggers.console.pages.curl import curl, header
from cdc_triggers.console.pages.difference import MOST, difference
from cdc_triggers.core.attempt import Request
from cdc_triggers.core.transform_spec import RequestTransform, ResponseTransform

REQUEST, RESPONSE = "request_transform", "response_transform"
PRINTER = "import json, sys; print(json.dumps(sys.argv[1:]))"


def arguments(command: str, **variables: str) -> list[str]:
    """What a shell would run instead of curl."""
    script = command.replace("curl ", f"{sys.executable} -c '{PRINTER}' ", 1)
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=variables, check=True, capture_output=True, text=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def request(**changed: Any) -> Request:
    return Request("http://x/{{TOKEN}}", (("a", "b"),), b"{}", 1)._replace(**changed)


@pytest.mark.parametrize("text", ["it's", "$(id)", "`id`", 'a\\b\n"c"', "{{OTHER}}", "$HOME", "é"])
def test_a_copied_command_says_in_a_shell_just_what_was_sent(text: str) -> None:
    made = request(headers=(("x-text", text.replace("\n", " ")),), body=text.encode())
    found = arguments(curl(made, ["TOKEN"]), TOKEN="t'k", OTHER="leaked")
    assert found[0] == "http://x/t'k"
    assert found[found.index("--header") + 1] == f"x-text: {text.replace(chr(10), ' ')}"
    assert found[found.index("--data-binary") + 1] == text


def test_what_may_be_a_credential_becomes_a_variable() -> None:
    headers = (("Authorization", "Bearer abc"), ("X-Api-Key", "{{KEY}}"), ("x-plain", "y"))
    command = curl(request(headers=headers, url="http://u:p@x/?sig=abc&n=1"), ["KEY"])
    assert "abc" not in command
    assert "u:p" not in command
    assert '"${AUTHORIZATION}"' in command
    assert '"${KEY}"' in command
    assert "'x-plain: y'" in command
    assert header("Set-Cookie", "a=b") == "\N{BULLET}" * 6
    assert header("authorization", "Bearer {{KEY}}") == "Bearer {{KEY}}"


def test_changed_columns_come_first_and_numbers_keep_their_digits() -> None:
    old = '{"id": 1, "total": 12345678901234567.80, "tags": [1], "gone": true}'
    new = '{"id": 1, "total": 12345678901234567.8, "tags": [1], "come": null}'
    found = difference(old, new)
    assert [(c.name, c.before, c.after, c.changed) for c in found.changes] == [
        ("total", "12345678901234567.80", "12345678901234567.8", True),
        ("gone", "true", None, True),
        ("come", None, "null", True),
        ("id", "1", "1", False),
        ("tags", "[\n  1\n]", "[\n  1\n]", False),
    ]


def test_a_row_that_is_no_object_or_too_large_is_shown_otherwise() -> None:
    assert difference(None, "[1]").new == "[\n  1\n]"
    assert difference(None, f'"{"x" * MOST}"').large
    assert difference(None, None).changes == ()


@given(st.text(max_size=40), st.integers(-2, 5), st.integers(-2, 50))
def test_a_caret_is_in_its_text_or_there_is_none(text: str, line: int, column: int) -> None:
    found = trying.caret(text, line, max(1, column))
    lines = text.split("\n")
    assert (found is None) == (not 1 <= line <= len(lines))
    if found is not None:
        assert lines[line - 1].startswith(found.before)


def test_a_mistake_in_a_transform_is_shown_in_its_template() -> None:
    found = trying.read(REQUEST, "version: 2\nurl: '{{$base_url}}/{{$oops}}'\nmethod: 1\n")
    assert isinstance(found, list)
    [url] = [each for each in found if "$oops" in each.text]
    assert url.caret is not None
    assert url.caret.before == "{{$base_url}}/{{"
    broken = trying.read(REQUEST, "version: 2\n  url: [\n")
    assert isinstance(broken, list)
    assert broken[0].caret is not None
    assert trying.read(REQUEST, " ") is None


def test_a_response_template_may_use_the_answer_and_nothing_that_is_not_there() -> None:
    text = "body:\n  action: transform\n  template: '{{$response.status}}'\nversion: 2\n"
    assert isinstance(trying.read(RESPONSE, text), ResponseTransform)
    found = trying.read(RESPONSE, "method: PUT\n" + text.replace("$response", "$answer"))
    assert isinstance(found, list)
    assert [each.of for each in found] == [RESPONSE] * len(found)
    [template] = [each for each in found if "$answer" in each.text]
    assert template.caret is not None
    assert any("method" in each.text for each in found)


def test_a_transform_is_written_as_it_is_read() -> None:
    value = {"version": 2, "method": "PUT", "body": {"action": "transform", "template": "{}"}}
    spec = RequestTransform.model_validate(value)
    assert trying.read(REQUEST, trying.write(spec)) == spec


def test_a_condition_that_names_no_column_is_shown_at_the_name() -> None:
    told = "public.t has no column methd: did you mean method?"
    found = trying.caret_at_word(told, "new.id > 1 &&\n  new.methd == 'card'")
    assert found is not None
    assert (found.number, found.before) == (2, "  new.")
