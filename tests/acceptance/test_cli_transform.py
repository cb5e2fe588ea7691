"""`cdc-triggers transform test`: what a person sees of a transform before it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Database

FILE = """\
version: 1
triggers:
  - name: order_changed
    table: public.orders
    insert: {columns: "*", payload: [id, total]}
    webhook: "{{SHOP_URL}}/hook"
    headers: [{name: X-Secret, value_from_env: SHOP_SECRET}]
    request_transform:
      version: 2
      method: PUT
      url: "{{$base_url}}/orders/{{$body.event.data.new.id}}"
      query_params: {status: "{{$body.event.data.new.status}}"}
      body:
        action: transform
        template: |
          {
            "total": {{$body.event.data.new.total}},
            "columns": {{ size($body.event.data.new) }}
          }
    response_transform:
      body: '{"code": {{$response.status}}, "took": {{$body.took}}}'
  - name: plain
    table: orders
    delete: {columns: "*"}
    webhook: https://shop.example/plain
"""
WHOLE = FILE.replace(", payload: [id, total]", "")
BODY = (
    '{"event": {"op": "INSERT", "session_variables": null, "trace_context": null, '
    '"data": {"old": null, "new": {"id": 9, "total": 1.10, "status": "a b"}}}}'
)
UNWANTED = ("PG", "CDC_TRIGGERS", "DATABASE_URL", "SHOP_")


@dataclass
class Desk:
    """A working folder with a trigger file, and the command line on it and on a database."""

    folder: Path
    dsn: str

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(UNWANTED)}
        return subprocess.run(
            [sys.executable, "-m", "cdc_triggers", "transform", "test", *args],
            check=False,
            cwd=self.folder,
            env={**kept, "CDC_TRIGGERS_DSN": self.dsn, "SHOP_SECRET": "s3cr3t"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def ok(self, *args: str, stdin: str = "") -> Any:
        done = self.run(*args, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout, parse_float=str)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "triggers.yaml").write_text(WHOLE, encoding="utf-8")
    return Desk(tmp_path, "postgresql://127.0.0.1:1/none")


@pytest.fixture
def shop(desk: Desk, database: Database) -> Desk:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)")
    desk.dsn = database.dsn
    (desk.folder / "triggers.yaml").write_text(FILE, encoding="utf-8")
    line = [sys.executable, "-m", "cdc_triggers", "apply", "--yes", "--no-env-check"]
    subprocess.run(
        [*line, "--dsn", database.dsn, "--slot", database.slot], cwd=desk.folder, check=True
    )
    (desk.folder / "triggers.yaml").write_text(WHOLE, encoding="utf-8")
    database.execute("INSERT INTO orders VALUES (1, 'new', 1.10), (2, NULL, 12345678901234567890)")
    return desk


def test_a_body_from_a_file_is_shown_as_the_request_that_would_go_out(desk: Desk) -> None:
    (desk.folder / "body.json").write_text(BODY, encoding="utf-8")
    done = desk.run("order_changed", "body.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "PUT {{SHOP_URL}}/hook/orders/9?status=a%20b\n"
        "content-type: application/json\n"
        "X-Secret: {{SHOP_SECRET}}\n"
        "\n"
        '{\n  "total": 1.10,\n  "columns": 3\n}\n'
    )


def test_a_body_from_stdin_and_variables_from_the_command_line(desk: Desk) -> None:
    shown = desk.ok("order_changed", "-", "--env", "SHOP_URL=https://shop", stdin=BODY)
    assert shown["method"] == "PUT"
    assert shown["url"] == "https://shop/hook/orders/9?status=a%20b"
    assert {"name": "X-Secret", "value": "{{SHOP_SECRET}}"} in shown["headers"]
    assert shown["body"] == {"total": "1.10", "columns": 3}


def test_the_rows_of_the_table_are_a_sample_and_an_error_stands_at_its_row(shop: Desk) -> None:
    first, second = shop.ok("order_changed", "--sample")
    assert (first["of"], first["url"]) == (
        "row 1 of public.orders",
        "{{SHOP_URL}}/hook/orders/1?status=new",
    )
    assert second["url"] == "{{SHOP_URL}}/hook/orders/2"
    assert second["body"] == {"total": 12345678901234567890, "columns": 3}
    done = shop.run("order_changed", "--sample", "--applied")
    assert done.returncode == 1
    place = "error: request_transform.query_params.status, line 1, column 23: "
    assert done.stderr.count(place + "$body.event.data.new has no key 'status'") == 2


def test_a_sample_that_may_not_be_read_is_told_with_the_grant(
    shop: Desk, database: Database
) -> None:
    role = database.role()
    shop.dsn = database.dsn_as(role)
    done = shop.run("order_changed", "--sample")
    assert done.returncode == 1
    assert f"role {role} may not read table public.orders" in done.stderr
    assert f"GRANT SELECT ON public.orders TO {role}" in done.stderr


def test_a_sample_has_numbers_in_the_form_in_which_they_would_be_sent(shop: Desk) -> None:
    text = WHOLE.replace("triggers:", "stringify_numeric_types: true\ntriggers:", 1)
    (shop.folder / "triggers.yaml").write_text(text, encoding="utf-8")
    _, second = shop.ok("order_changed", "--sample")
    assert second["body"] == {"total": "12345678901234567890", "columns": 3}


def test_a_past_event_is_shown_for_the_file_and_for_what_is_applied(
    shop: Desk, database: Database
) -> None:
    [(event_id,)] = database.execute(
        "SELECT id::text FROM cdc_triggers.event_log WHERE new ->> 'id' = '1'"
    )
    shown = shop.ok("order_changed", "--event", event_id)
    assert shown["of"] == f"event {event_id}"
    assert shown["body"] == {"total": "1.10", "columns": 3}
    done = shop.run("order_changed", "--event", event_id, "--applied", "--json")
    assert done.returncode == 1
    assert "has no key 'status'" in json.loads(done.stdout)["error"]


def test_what_would_be_recorded_of_an_answer_is_shown_too(desk: Desk) -> None:
    (desk.folder / "answer.json").write_text('{"took": 1.50}', encoding="utf-8")
    arguments = ("order_changed", "-", "--answer", "answer.json", "--status", "202")
    shown = desk.ok(*arguments, stdin=BODY)
    assert shown["recorded"] == {"body": {"code": 202, "took": "1.50"}, "error": None}
    (desk.folder / "answer.json").write_text("busy", encoding="utf-8")
    done = desk.run(*arguments, stdin=BODY)
    assert done.returncode == 1
    assert (
        "error: response_transform.body.template, line 1, column 47: $body is null" in done.stderr
    )
    assert done.stdout.endswith("busy\n")


def test_a_trigger_without_a_transform_is_shown_as_it_is(desk: Desk) -> None:
    done = desk.run("plain", "-", stdin=BODY)
    assert done.returncode == 0
    assert "note: trigger plain has no transform" in done.stderr
    assert done.stdout.startswith("POST https://shop.example/plain\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (("order_changed",), "", "nothing, or more than one thing, to try the transform on"),
        (("order_changed", "-", "--sample"), "", "nothing, or more than one thing"),
        (("order_chnged", "-"), BODY, "did you mean 'order_changed'?"),
        (("order_changed", "-"), "{", "the body from stdin is not JSON"),
        (("order_changed", "none.json"), "", "none.json: cannot be read"),
        (("order_changed", "-", "--env", "SHOP_URL"), BODY, "--env 'SHOP_URL' has no value"),
        (("order_changed", "-", "--answer", "no"), BODY, "no: cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(
    desk: Desk, arguments: tuple[str, ...], stdin: str, expected: str
) -> None:
    done = desk.run(*arguments, stdin=stdin)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stdout == ""


def test_an_invalid_template_is_told_with_its_line_and_nothing_is_shown(desk: Desk) -> None:
    broken = WHOLE.replace("{{$body.event.data.new.total}}", "{{$bdy.event}}")
    (desk.folder / "triggers.yaml").write_text(broken, encoding="utf-8")
    done = desk.run("order_changed", "-", stdin=BODY)
    assert done.returncode == 2
    assert "triggers.yaml:17: trigger 'order_changed': " in done.stderr
    assert "line 2, column 14: there is no variable $bdy: did you mean $body?" in done.stderr
