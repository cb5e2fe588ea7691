"""`cdc-triggers condition test`: what a condition would have let through, before it is used."""

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
  - name: order_paid
    table: public.orders
    insert: {columns: "*"}
    update: {columns: [status]}
    condition: |
      new.status == "paid" &&
      new.total / 2.0 > 5.0
    webhook: http://127.0.0.1:9/
  - name: plain
    table: orders
    delete: {columns: "*"}
    webhook: http://127.0.0.1:9/
"""
UNWANTED = ("PG", "CDC_TRIGGERS", "DATABASE_URL")


@dataclass
class Desk:
    """A folder with a trigger file, and the command line on it and on a database."""

    folder: Path
    database: Database
    role: str | None = None

    def cli(self, *args: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(UNWANTED)}
        dsn = self.database.dsn if self.role is None else self.database.dsn_as(self.role)
        return subprocess.run(
            [sys.executable, "-m", "cdc_triggers", *args],
            check=False,
            cwd=self.folder,
            env={**kept, "CDC_TRIGGERS_DSN": dsn},
            capture_output=True,
            text=True,
            timeout=100,
        )

    def trial(self, *args: str) -> Any:
        done = self.cli("condition", "test", *args, "--json")
        assert done.returncode in {0, 1}, done.stderr
        document = json.loads(done.stdout)
        assert (document["totals"]["error"] > 0) == (done.returncode == 1)
        return document

    def write(self, text: str) -> None:
        (self.folder / "triggers.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def bare(database: Database, tmp_path: Path) -> Desk:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)")
    made = Desk(tmp_path, database)
    made.write(FILE)
    return made


@pytest.fixture
def desk(bare: Desk) -> Desk:
    done = bare.cli("apply", "--yes", "--slot", bare.database.slot)
    assert done.returncode == 0, done.stderr
    for statement in (
        "INSERT INTO orders VALUES (1, 'new', 20)",
        "INSERT INTO orders VALUES (2, 'paid', 20)",
        "INSERT INTO orders VALUES (3, 'paid', NULL)",
        "UPDATE orders SET total = 21 WHERE id = 1",
        "UPDATE orders SET status = 'paid' WHERE id = 1",
    ):
        bare.database.execute(statement)
    return bare


def verdicts(document: Any) -> list[tuple[str, str | None, str]]:
    return [(e["op"], e["key"], e["verdict"]) for e in document["events"]]


def test_past_events_are_told_with_their_key_and_what_the_condition_says(desk: Desk) -> None:
    document = desk.trial("order_paid")
    assert verdicts(document) == [
        ("UPDATE", "[1]", "true"),
        ("UPDATE", None, "other"),
        ("INSERT", "[3]", "error"),
        ("INSERT", "[2]", "true"),
        ("INSERT", "[1]", "false"),
    ]
    assert document["totals"] == {"true": 2, "false": 1, "error": 1, "other": 1}
    assert document["condition"].startswith('new.status == "paid"')
    assert document["events"][2]["reason"].endswith("(null: new.total)")


def test_for_people_it_is_a_table_and_totals(desk: Desk) -> None:
    done = desk.cli("condition", "test", "order_paid")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["ID", "CREATED", "OP", "KEY", "CONDITION", "REASON"]
    assert len(lines) == 6
    said = "5 events: 2 true, 1 false, 1 with an error, 1 not asked about"
    assert said in done.stderr


def test_another_expression_and_fewer_events_can_be_tried(desk: Desk) -> None:
    document = desk.trial("order_paid", "-e", "new.id == 1", "--limit", "2")
    assert verdicts(document) == [("UPDATE", "[1]", "true"), ("UPDATE", None, "other")]
    assert desk.trial("plain", "-e", "old.id == 1")["totals"]["other"] == 5
    assert desk.trial("order_paid", "--since", "2999-01-01")["events"] == []


def test_one_event_and_the_applied_trigger_can_be_asked_for(desk: Desk) -> None:
    event_id = desk.trial("order_paid")["events"][4]["id"]
    assert verdicts(desk.trial("order_paid", "--event", event_id)) == [("INSERT", "[1]", "false")]
    desk.write(FILE.replace('"paid"', '"new"'))
    assert verdicts(desk.trial("order_paid", "--event", event_id)) == [("INSERT", "[1]", "true")]
    applied = desk.trial("order_paid", "--event", event_id, "--applied")
    assert verdicts(applied) == [("INSERT", "[1]", "false")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("order_pad",), "did you mean 'order_paid'?"),
        (("plain",), "trigger 'plain' has no condition"),
        (("order_paid", "-e", "new.statsu == 'x'"), "public.orders has no column statsu"),
        (("order_paid", "-e", "new.total == 'x'"), "condition: line 1, column 11: double never"),
        (("order_paid", "-e", "new.total ="), "line 1, column 11: `=` alone means nothing"),
        (("order_paid", "--event", "x"), "'x' is not an event id"),
        (("order_paid", "--since", "x"), "--since 'x' is not a time"),
        (("order_paid", "--since", "1h", "--event", "x"), "give one of them"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(
    desk: Desk, arguments: tuple[str, ...], expected: str
) -> None:
    done = desk.cli("condition", "test", *arguments)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_an_installation_it_says_apply(bare: Desk) -> None:
    done = bare.cli("condition", "test", "order_paid")
    assert done.returncode == 1
    assert "not installed" in done.stderr


def test_a_role_that_may_only_read_tries_a_condition(desk: Desk) -> None:
    role = desk.database.role()
    desk.database.execute(
        f"GRANT USAGE ON SCHEMA cdc_triggers TO {role};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA cdc_triggers TO {role}"
    )
    reader = Desk(desk.folder, desk.database, role)
    assert reader.trial("order_paid") == desk.trial("order_paid")
