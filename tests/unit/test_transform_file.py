"""Transforms in a trigger file: every problem of every template, at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.trigger_file import load
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
version: 1
triggers:
  - name: a
    table: orders
    insert: {columns: "*"}
    webhook: "{{SHOP_URL}}/hook"
"""

HASURA = """\
table: {name: orders, schema: shop}
event_triggers:
  - name: order_changed
    definition: {insert: {columns: "*"}}
    webhook: "{{SHOP_URL}}"
    request_transform:
      body:
        action: transform
        template: |-
          {
            "id": {{$body.event.data.new.id}}
          }
      content_type: application/json
      method: PUT
      query_params: {}
      request_headers:
        add_headers: {}
        remove_headers: [content-type]
      template_engine: Kriti
      url: '{{$base_url}}/orders'
      version: 2
    response_transform:
      body: '{"ok": {{$response.status}}}'
      template_engine: Kriti
"""

MANY = """\
    request_transform:
      version: 2
      metod: PUT
      method: FETCH
      url: "{{$bse_url}}/x"
      query_params: {a: 5, b: "{{ $body.x"}
      content_type: json
      template_engine: Jinja
      body:
        action: transform
        template: |
          {
            "a": {{ $body.id }},
            "b": {{ $bdy.id }},
            "c": {{ nope(1) }},
            "d": [1 2]
          }
      request_headers:
        add_headers:
          "bad name": x
          Content-Length: "{{ $body.n }}"
          X-A: "{{ $x }}"
          X-B: "a\\nb"
        remove_headers: [a b]
    response_transform:
      body: >-
        {"a":
        {{ $reqest }}}
      url: x
"""


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "triggers.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TriggerFileError) as refused:
        load([path])
    return [problem.removeprefix(f"{path}:") for problem in refused.value.problems]


def test_transforms_are_read_as_hasura_exports_them(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(HASURA, encoding="utf-8")
    (trigger,) = load([path]).triggers
    transform = trigger.request_transform
    assert transform is not None
    assert transform.body is not None
    assert transform.body.template == '{\n  "id": {{$body.event.data.new.id}}\n}'
    assert (transform.method, transform.url) == ("PUT", "{{$base_url}}/orders")
    assert trigger.response_transform is not None
    assert trigger.environment_names() == {"SHOP_URL"}


def test_all_problems_of_all_templates_come_in_one_run_each_at_its_line(tmp_path: Path) -> None:
    found = problems(tmp_path, HEAD + MANY)
    expected = [
        "9: trigger 'a': unknown key `metod`; did you mean `method`?",
        "10: trigger 'a': `request_transform.method`: is not known: write one of GET, POST",
        "11: trigger 'a': `request_transform.url`: line 1, column 3: there is no variable $bse_url",
        "12: trigger 'a': `request_transform.query_params.a`: is not text: write query_params",
        "12: trigger 'a': `request_transform.query_params.b`: line 1, column 11: unexpected the en",
        "13: trigger 'a': `request_transform.content_type`: is no media type: write content_type",
        "14: trigger 'a': `request_transform.template_engine` ('Jinja') is not known; write templ",
        "20: trigger 'a': `request_transform.body.template`: line 3, column 11: there is no varia",
        "21: trigger 'a': `request_transform.body.template`: line 4, column 11: there is no funct",
        "22: trigger 'a': `request_transform.body.template`: line 5, column 11: unexpected `2`",
        "26: trigger 'a': `request_transform.request_headers.add_headers.bad name` is 'bad name'",
        "27: trigger 'a': `request_transform.request_headers.add_headers.Content-Length`: is set",
        "28: trigger 'a': `request_transform.request_headers.add_headers.X-A`: line 1, column 4",
        "29: trigger 'a': `request_transform.request_headers.add_headers.X-B`: a header value is",
        "30: trigger 'a': `request_transform.request_headers.remove_headers[0]` is 'a b'; write",
        "32: trigger 'a': `response_transform.body.template`: line 1, column 10: there is no vari",
        "35: trigger 'a': unknown key `url`; remove it, or write one of version, template_engine",
    ]
    assert len(found) == len(expected), "\n".join(found)
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("5", "`request_transform` (5) is not a mapping; write request_transform: {version: 2"),
        ("{version: 3}", "`request_transform`: has an unknown version: write version: 2"),
        ("{version: true}", "`request_transform`: has an unknown version"),
        ('{version: 2, body: "{}"}', "`request_transform`: in version 2 the body says what"),
        ("{body: {action: remove}}", "`request_transform`: in version 1 the body is a template"),
        ('{body: "{{"}', "`request_transform.body.template`: line 1, column 3: unexpected the end"),
        ("{version: 2, body: {action: drop}}", "`request_transform.body.action` ('drop') is not"),
        ("{version: 2, body: {action: transform}}", "`request_transform.body`: action: transform"),
        (
            "{version: 2, body: {action: x_www_form_urlencoded, template: a, form_template: {}}}",
            "`request_transform.body`: template means nothing with action: x_www_form_urlencoded",
        ),
        (
            "{version: 2, body: {action: x_www_form_urlencoded, form_template: {a: 1}}}",
            "`request_transform.body.form_template.a` must be text",
        ),
        ("{version: 2, body: {tmplate: a}}", "unknown key `tmplate`; did you mean `template`?"),
        ("{url: ftp://x}", "`request_transform.url`: starts with neither http:// nor https://"),
        ("{url: 5}", "`request_transform.url` must be text"),
        ("{query_params: [a]}", "`request_transform.query_params`: is neither text nor a mapping"),
        ("{request_headers: [a]}", "`request_transform.request_headers` is not a mapping; write"),
        ("{request_headers: {add_header: {}}}", "unknown key `add_header`; did you mean `add_"),
    ],
)
def test_one_mistake_is_told_with_what_to_write(
    tmp_path: Path, transform: str, expected: str
) -> None:
    found = problems(tmp_path, f"{HEAD}    request_transform: {transform}\n")
    assert any(problem.startswith(f"7: trigger 'a': {expected}") for problem in found), found
    assert len(found) == 1 or "tmplate" in transform, found
