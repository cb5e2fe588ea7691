from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from cdc_triggers.cli.main import app
from cdc_triggers.core.views import SlotStatus, Status, TriggerStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.databases import Database

FILE = """\
version: 1
triggers:
  - name: order_changed
    table: public.orders
    definition:
      insert: {columns: "*"}
      update: {columns: [status], payload: "*"}
      enable_manual: true
    webhook: "{{SHOP_URL}}/orders"
"""
COMMAND = (sys.executable, "-m", "cdc_triggers")
UNWANTED = ("PG", "CDC_TRIGGERS", "DATABASE_URL", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "SHOP_")


@dataclass
class Shop:
    """A shop's database, a working folder with its trigger file, and the command line on both."""

    database: Database
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def cli(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *args],
            check=False,
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def ok(self, *args: str) -> str:
        """Run it, expect success, and return what it wrote to stdout."""
        done = self.cli(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.ok(*args, "--json"))

    def apply(self) -> None:
        self.ok("apply", "--yes", "--slot", self.database.slot)

    def traces(self) -> list[tuple[Any, ...]]:
        """All that cdc-triggers may have put into the database."""
        return self.database.execute(
            "SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname = 'cdc_triggers' "
            "UNION ALL SELECT 'publication', pubname::text FROM pg_publication "
            "UNION ALL SELECT 'slot', slot_name::text FROM pg_replication_slots "
            "WHERE database = current_database() "
            "UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal"
        )

    def kill_deliveries(self) -> list[str]:
        """Every event so far is dead for the trigger, as after its last retry; their ids."""
        rows = self.database.execute(
            "INSERT INTO cdc_triggers.delivery (trigger_id, trigger_name, revision, event_id, "
            "status, reason, commit_lsn, position, tries, dead_at, last_error, bytes, table_id, "
            "xid, created_at, op, schema_name, table_name, old, new) "
            "SELECT t.id, t.name, 1, e.id, 'dead', 'failed', '0/1', 0, 3, now(), 'status 500', "
            "400, e.table_id, e.xid, e.created_at, e.op, e.schema_name, e.table_name, e.old, e.new "
            "FROM cdc_triggers.event_log e JOIN cdc_triggers.trigger t USING (table_id) "
            "RETURNING event_id::text"
        )
        return [event_id for (event_id,) in rows]


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(UNWANTED)}
    environ |= {"CDC_TRIGGERS_DSN": database.dsn, "SHOP_URL": "http://127.0.0.1:9", "TERM": "xterm"}
    (tmp_path / "triggers.yaml").write_text(FILE)
    return Shop(database, tmp_path, environ)


@pytest.fixture
def applied(shop: Shop) -> Shop:
    shop.apply()
    return shop


def failed(done: subprocess.CompletedProcess[str], exit_code: int, *texts: str) -> None:
    """It ended with this exit code, one error and a hint on stderr, no data and no traceback."""
    assert done.returncode == exit_code, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for text in texts:
        assert text in done.stderr


def on_terminal(shop: Shop, *args: str, answer: str = "") -> tuple[int, str]:
    """Run it with a terminal on all three; the exit code and all that it wrote."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *args],
        cwd=shop.folder,
        env=shop.environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        said = b"".join(_until_closed(ours))
        os.close(ours)
        return process.wait(timeout=60), said.decode()


def _until_closed(terminal: int) -> Iterator[bytes]:
    """Linux ends reading from a terminal that nobody has open any more with EIO."""
    with suppress(OSError):
        while piece := os.read(terminal, 4096):
            yield piece


def test_init_writes_a_file_that_diff_accepts_and_never_overwrites_one(shop: Shop) -> None:
    failed(shop.cli("init"), 2, "exists already", "--force")
    assert (shop.folder / "triggers.yaml").read_text() == FILE
    assert shop.ok("init", "-c", "new.yaml") == ""
    shop.ok("init", "--force")
    assert shop.json("diff", "-c", "new.yaml")["changes"] == []


def test_diff_shows_triggers_sql_and_locks_and_changes_nothing(shop: Shop) -> None:
    text = shop.ok("diff")
    assert "+ trigger order_changed" in text
    assert "capture_update" in text
    assert "lock:" in text
    assert shop.cli("diff", "--exit-code").returncode == 4
    document = shop.json("diff")
    assert document["drift"] is True
    assert document["changes"] == [{"trigger": "order_changed", "change": "added"}]
    assert document["statements"][0].keys() == {"sql", "lock", "summary"}
    assert "CREATE TABLE cdc_triggers.event_log" in document["statements"][0]["sql"]
    assert shop.traces() == []


def test_diff_is_short_to_read_and_verbose_shows_all_of_the_sql(shop: Shop) -> None:
    short, full = shop.ok("diff"), shop.ok("diff", "--verbose")
    for text in (short, full):
        assert not [line for line in text.splitlines() if not line or line.strip()[:2] == "--"]
        assert text.count("lock: SHARE ROW EXCLUSIVE on public.orders") == 1
        assert "N stands for" in text
    assert len(short.splitlines()) < 25
    assert "(creates schema cdc_triggers" in short
    assert "CREATE OR REPLACE FUNCTION cdc_triggers.capture_update()" in full


def test_diff_of_a_new_webhook_says_that_the_tables_are_left_alone(applied: Shop) -> None:
    (applied.folder / "triggers.yaml").write_text(FILE.replace("/orders", "/changes"))
    text = applied.ok("diff", "--slot", applied.database.slot)
    assert text.splitlines() == [
        "~ trigger order_changed on public.orders",
        "no SQL on your tables: only rows in schema cdc_triggers change",
    ]


def test_apply_without_a_terminal_and_without_yes_changes_nothing(shop: Shop) -> None:
    done = shop.cli("apply", "--slot", shop.database.slot, stdin="y\n")
    assert done.returncode == 2
    assert "add --yes" in done.stderr
    shop.ok("apply", "--dry-run", "--slot", shop.database.slot)
    assert shop.traces() == []


def test_apply_on_a_terminal_asks_and_takes_no_for_an_answer(shop: Shop) -> None:
    args = ("apply", "--slot", shop.database.slot)
    code, said = on_terminal(shop, *args, answer="n\n")
    assert (code, "nothing was changed" in said) == (1, True)
    assert shop.traces() == []
    code, said = on_terminal(shop, *args, answer="y\n")
    assert (code, "applied: 1 added" in said) == (0, True)
    assert ("schema", "cdc_triggers") in shop.traces()


def test_apply_twice_is_the_same_as_once_and_then_diff_is_silent(applied: Shop) -> None:
    before = applied.traces()
    done = applied.cli("apply", "--slot", applied.database.slot)
    assert (done.returncode, "nothing to change" in done.stderr) == (0, True)
    assert applied.cli("diff", "--exit-code", "--slot", applied.database.slot).returncode == 0
    assert applied.traces() == before


def test_apply_of_an_empty_list_removes_every_trigger(applied: Shop) -> None:
    (applied.folder / "triggers.yaml").write_text("version: 1\ntriggers: []\n")
    applied.apply()
    assert applied.json("triggers", "list") == []
    assert not [name for kind, name in applied.traces() if kind == "trigger"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[status]", "[statu]", "status"),
        ("public.orders", "public.order", "orders"),
        ("SHOP_URL", "SHOP_UNSET", "SHOP_UNSET"),
        ("[status]", "[]", "column"),
        ("webhook", "webhok", "webhook"),
    ],
    ids=["column", "table", "environment", "empty-list", "key"],
)
def test_an_invalid_file_is_refused_with_the_remedy_and_nothing_is_changed(
    shop: Shop, old: str, new: str, said: str
) -> None:
    (shop.folder / "triggers.yaml").write_text(FILE.replace(old, new))
    failed(shop.cli("apply", "--yes", "--slot", shop.database.slot), 2, "triggers.yaml:", said)
    failed(shop.cli("diff"), 2, "order_changed", said)
    assert shop.traces() == []


def test_uninstall_leaves_the_database_as_it_was(applied: Shop) -> None:
    slot = applied.database.slot
    failed(applied.cli("uninstall", "--slot", slot), 2, "--yes")
    assert applied.traces() != []
    applied.ok("uninstall", "--yes", "--slot", slot)
    assert applied.traces() == []


def test_uninstall_drops_every_slot_that_apply_has_made(applied: Shop) -> None:
    second = f"{applied.database.slot}_2"
    applied.ok("apply", "--yes", "--slot", second)
    assert ("slot", second) in applied.traces()
    applied.ok("uninstall", "--yes", "--slot", f"{applied.database.slot}_3")
    assert applied.traces() == []


@pytest.mark.parametrize(
    "command",
    [
        ("stream",),
        ("status",),
        ("triggers", "list"),
        ("triggers", "pause", "t"),
        ("events", "list"),
        ("events", "redeliver", "01932e1c-0000-7000-8000-000000000000"),
    ],
    ids=" ".join,
)
def test_a_database_where_nothing_is_applied_is_told_to_run_apply(
    shop: Shop, command: tuple[str, ...]
) -> None:
    failed(shop.cli(*command), 1, "run `cdc-triggers apply`")


def test_triggers_can_be_listed_shown_paused_and_resumed(applied: Shop) -> None:
    [trigger] = applied.json("triggers", "list")
    assert (trigger["name"], trigger["paused"]) == ("order_changed", False)
    assert trigger["definition"]["webhook"] == "{{SHOP_URL}}/orders"
    assert applied.ok("triggers", "list").splitlines()[1].split()[:2] == [
        "order_changed",
        "public.orders",
    ]
    assert applied.ok("triggers", "pause", "order_changed") == ""
    assert applied.json("triggers", "show", "order_changed")["paused"] is True
    applied.ok("triggers", "resume", "order_changed")
    assert applied.json("triggers", "show", "order_changed")["paused_at"] is None
    failed(applied.cli("triggers", "pause", "order_chnged"), 2, "did you mean order_changed?")


def test_invoke_prints_the_id_of_the_event_that_it_made(applied: Shop) -> None:
    event_id = applied.ok(
        "triggers", "invoke", "order_changed", "--payload", '{"total": 1.10}'
    ).strip()
    assert str(uuid.UUID(event_id)) == event_id
    shown = applied.ok("events", "show", event_id, "--json")
    assert '{"total": 1.10}' in shown
    assert json.loads(shown)["event"]["op"] == "MANUAL"
    failed(applied.cli("triggers", "invoke", "order_changed", "--payload", "{"), 2, "not JSON")


def test_events_are_found_shown_and_redelivered(applied: Shop) -> None:
    applied.database.execute("INSERT INTO orders VALUES (1, 'new', 12345678901234567890.10)")
    applied.database.execute("INSERT INTO orders VALUES (2, 'new', 2)")
    pending = applied.json("events", "list", "--status", "pending", "--since", "1h")
    assert [line["trigger"] for line in pending] == ["order_changed", "order_changed"]
    assert pending[0]["created_at"].endswith("Z")
    second, first = (line["id"] for line in pending)
    assert set(applied.kill_deliveries()) == {first, second}
    assert "12345678901234567890.10" in applied.ok("events", "show", first)
    shown = applied.ok("events", "show", first, "--json")
    assert '"total":12345678901234567890.10' in shown
    assert json.loads(shown)["deliveries"][0]["last_error"] == "status 500"
    selection = ("events", "redeliver", "--trigger", "order_changed", "--status", "dead")
    assert applied.json(*selection, "--dry-run")["redelivered"] == 2
    assert applied.json("events", "redeliver", first)["redelivered"] == 1
    assert applied.ok(*selection) == "1 delivery will be sent again\n"
    assert applied.json("events", "list", "--status", "dead") == []
    assert [line["id"] for line in applied.json("events", "list", "--limit", "1")] == [second]


def test_redeliver_says_what_is_wrong_with_its_selection(applied: Shop) -> None:
    failed(applied.cli("events", "redeliver"), 2, "nothing selected")
    failed(applied.cli("events", "redeliver", "12"), 2, "not an event id")
    failed(applied.cli("events", "redeliver", str(uuid.uuid4())), 2, "there is no event")
    both = ("events", "redeliver", str(uuid.uuid4()), "--status", "dead")
    failed(applied.cli(*both), 2, "exclude each other")
    failed(applied.cli("events", "list", "--since", "yesterday"), 2, "--since", "1h")


def test_status_has_stable_keys_and_a_text_form(applied: Shop) -> None:
    document = applied.json("status", "--slot", applied.database.slot)
    assert list(document) == list(Status._fields)
    assert list(document["slot"]) == list(SlotStatus._fields)
    assert list(document["triggers"][0]) == list(TriggerStatus._fields)
    assert document["slot"]["wal_status"] == "reserved"
    assert document["stream"] is None
    [trigger] = document["triggers"]
    assert (trigger["name"], trigger["parked"], trigger["dead"]) == ("order_changed", 0, 0)
    done = applied.cli("status", "--slot", applied.database.slot)
    assert "order_changed" in done.stdout
    assert "no stream has used this slot" in done.stderr


def test_a_database_without_cdc_triggers_is_told_apart_from_an_empty_one(shop: Shop) -> None:
    for command in (("status",), ("events", "list"), ("triggers", "list")):
        failed(shop.cli(*command), 1, "not installed", "cdc-triggers apply")


def test_a_server_that_is_not_there_is_an_error_and_no_traceback(shop: Shop) -> None:
    failed(shop.cli("status", "--dsn", "postgresql://u:secret@127.0.0.1:1/x"), 1, "127.0.0.1")
    wrong = shop.cli("status", "--dsn", "nonsense==secret")
    failed(wrong, 2, "connection string")
    assert "secret" not in wrong.stderr


def test_a_reader_that_goes_away_is_no_traceback(applied: Shop) -> None:
    process = subprocess.Popen(
        [*COMMAND, "triggers", "list", "--json"],
        env=applied.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert said == b""


def test_colours_and_tables_are_for_terminals_only(applied: Shop) -> None:
    code, said = on_terminal(applied, "triggers", "list")
    assert (code, "\x1b[" in said) == (0, True)
    assert "\x1b" not in applied.ok("triggers", "list")


def test_usage_errors_end_with_2_and_version_and_completion_with_0(shop: Shop) -> None:
    assert shop.cli("no-such-command").returncode == 2
    assert shop.cli("stream", "--plugin", "nonsense").returncode == 2
    assert shop.ok("--version").startswith("cdc-triggers ")
    # the completion is that of the shell that asks, so a shell must ask; `:` keeps it waiting
    asked = f"{sys.executable} -m cdc_triggers --show-completion; :"
    shown = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert "CDC_TRIGGERS_COMPLETE" in shown.stdout


def test_every_command_and_option_has_a_help_text() -> None:
    waiting: list[tuple[str, Any]] = [("", get_command(app))]
    while waiting:
        path, command = waiting.pop()
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"
        waiting += [(f"{path} {name}", c) for name, c in getattr(command, "commands", {}).items()]
