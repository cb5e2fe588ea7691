"""The move itself, through the real commands, while applications go on writing: nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest
from support import hasura
from support.streaming import Endpoint, StreamProcess, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.databases import Database

NAME = "order_changed"
COMMAND = (sys.executable, "-m", "cdc_triggers")
UNWANTED = ("PG", "CDC_TRIGGERS", "DATABASE_URL", "SHOP_")

DATABASES = """\
- name: default
  kind: postgres
  configuration: {connection_info: {database_url: {from_env: PG_DATABASE_URL}}}
  tables: "!include default/tables/tables.yaml"
"""
ORDERS = """\
table:
  name: orders
  schema: public
event_triggers:
  - name: order_changed
    definition:
      enable_manual: false
      insert: {columns: '*'}
      update: {columns: '*'}
      delete: {columns: '*'}
    retry_conf: {interval_sec: 1, num_retries: 5, timeout_sec: 10}
    webhook: '{{SHOP_URL}}'
"""


@dataclass
class Shop:
    """A database with Hasura's event trigger on `orders`, its metadata, and our command line."""

    database: Database
    folder: Path
    environ: dict[str, str]

    def cli(self, *args: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *args],
            check=False,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == exit_code, done.stderr
        return done

    def apply(self, *options: str) -> None:
        self.cli("apply", "--yes", "--slot", self.database.slot, *options)

    def take_over(self) -> dict[str, Any]:
        """Import what Hasura owes; our database is not named: it is the same."""
        done = self.cli("import", "hasura", "--pending", self.database.dsn, "--json")
        return dict(json.loads(done.stdout))

    @contextmanager
    def streaming(self) -> Iterator[StreamProcess]:
        environ = {"SHOP_URL": self.environ["SHOP_URL"]}
        with StreamProcess(self.database, environ=environ) as stream:
            yield stream


class Writer:
    """An application: changes rows of its own, each with a number that grows with every change."""

    def __init__(self, database: Database, ids: tuple[int, ...]) -> None:
        self.changes: dict[int, int] = defaultdict(int)
        self._connection = database.connect()
        self._ids = ids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait_for(self, more: int) -> None:
        """Until it has made so many changes more."""
        target = sum(self.changes.values()) + more
        wait_until(lambda: sum(self.changes.values()) >= target, what="the writer gets on")

    def _run(self) -> None:
        number = 0
        with self._connection.cursor() as cursor:
            while not self._stop.is_set():
                number += 1
                row = self._ids[number % len(self._ids)]
                # twice in one transaction, the second time in a subtransaction
                cursor.execute("BEGIN")
                cursor.execute("UPDATE orders SET seq = seq + 1 WHERE id = %s", [row])
                cursor.execute("SAVEPOINT s")
                cursor.execute("UPDATE orders SET seq = seq + 1 WHERE id = %s", [row])
                cursor.execute("COMMIT")
                self.changes[row] += 2


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def shop(database: Database, tmp_path: Path, endpoint: Endpoint) -> Shop:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY, seq int NOT NULL)")
    database.execute("INSERT INTO orders SELECT g, 0 FROM generate_series(1, 6) g")
    hasura.make_catalog(database)
    hasura.track(database, NAME)
    tables = tmp_path / "metadata" / "databases" / "default" / "tables"
    tables.mkdir(parents=True)
    (tables.parent.parent / "databases.yaml").write_text(DATABASES)
    (tables / "tables.yaml").write_text('- "!include public_orders.yaml"\n')
    (tables / "public_orders.yaml").write_text(ORDERS)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(UNWANTED)}
    environ |= {"SHOP_URL": endpoint.url}
    return Shop(database, tmp_path, environ)


def arrived(endpoint: Endpoint) -> dict[int, list[int]]:
    """By row, the numbers in order of arrival."""
    found: dict[int, list[int]] = defaultdict(list)
    for body in endpoint.bodies:
        new = body["event"]["data"]["new"]
        found[new["id"]].append(new["seq"])
    return found


@pytest.mark.servers("18", "16")
def test_in_the_order_of_the_guide_nothing_is_lost_doubled_or_out_of_order(
    shop: Shop, endpoint: Endpoint
) -> None:
    database = shop.database
    shop.environ["CDC_TRIGGERS_DSN"] = database.dsn
    with Writer(database, (1, 2, 3)) as one, Writer(database, (4, 5, 6)) as other:
        # Hasura captures and does not send any more
        one.wait_for(20)
        shop.cli("import", "hasura", "metadata")
        shop.cli("import", "hasura", "metadata", "--check")
        before = shop.cli("diff", "--slot", database.slot, "--replace-hasura").stdout
        assert 'DISABLE TRIGGER "notify_hasura_order_changed_INSERT"' in before
        other.wait_for(20)
        shop.apply("--replace-hasura")
        one.wait_for(20)
        report = shop.take_over()
        other.wait_for(20)
        with shop.streaming():
            one.wait_for(20)
            one.__exit__()
            other.__exit__()
            wait_settled(database)
    assert report["imported"] > 40
    assert set(endpoint.answered.values()) == {1}
    made = {**one.changes, **other.changes}
    assert arrived(endpoint) == {row: list(range(1, made[row] + 1)) for row in made}
    by_hasura = {event_id for (event_id,) in hasura.log(database, ["id"])}
    assert len(by_hasura) == report["imported"]
    assert by_hasura < endpoint.delivered
    assert shop.cli("diff", "--slot", database.slot, "--exit-code").returncode == 0


def test_a_running_stream_takes_imported_events_before_new_ones_of_their_key(
    shop: Shop, endpoint: Endpoint
) -> None:
    endpoint.decide = lambda body, tries: Reply(
        500 if body["event"]["data"]["new"]["seq"] == 1 and not tries else 200
    )
    database = shop.database
    shop.environ["CDC_TRIGGERS_DSN"] = database.dsn
    shop.cli("import", "hasura", "metadata")
    for _ in range(3):
        database.execute("UPDATE orders SET seq = seq + 1")
    shop.apply("--replace-hasura")
    with shop.streaming():
        assert shop.take_over()["imported"] == 18
        for _ in range(3):
            database.execute("UPDATE orders SET seq = seq + 1")
        wait_settled(database)
    answered = defaultdict(list)
    for row, numbers in arrived(endpoint).items():
        answered[row] = list(dict.fromkeys(numbers))
    assert answered == {row: [1, 2, 3, 4, 5, 6] for row in range(1, 7)}
    assert endpoint.inversions == []
    assert set(endpoint.answered.values()) == {1}


def test_an_import_without_the_switch_is_refused_and_says_what_to_do(shop: Shop) -> None:
    shop.environ["CDC_TRIGGERS_DSN"] = shop.database.dsn
    shop.cli("import", "hasura", "metadata")
    shop.database.execute("UPDATE orders SET seq = 1")
    note = shop.cli("diff", "--slot", shop.database.slot).stderr
    assert "Hasura captures public.orders for its trigger of this name too" in note
    shop.apply()
    dry = shop.cli("import", "hasura", "--pending", shop.database.dsn, "--dry-run")
    assert dry.stdout.splitlines()[-1] == "6 would be imported"
    assert "Hasura still captures" in dry.stderr
    done = shop.cli("import", "hasura", "--pending", shop.database.dsn, exit_code=3)
    assert "would be sent twice" in done.stderr
    assert "--replace-hasura" in done.stderr
    shop.apply("--replace-hasura")
    assert shop.take_over()["imported"] == 6


def test_rows_of_triggers_that_are_not_applied_are_reported_and_stay(shop: Shop) -> None:
    hasura.owe(shop.database, '{"op": "INSERT", "data": {"new": {"id": 1}}}', trigger_name="old")
    (shop.folder / "triggers.yaml").write_text("version: 1\ntriggers: []\n")
    shop.environ["CDC_TRIGGERS_DSN"] = shop.database.dsn
    refused = shop.cli("import", "hasura", "--pending", shop.database.dsn, exit_code=1)
    assert "not installed" in refused.stderr
    shop.apply()
    done = shop.cli("import", "hasura", "--pending", shop.database.dsn)
    assert done.stdout.splitlines()[-1] == "0 imported"
    assert "old: is not applied here" in done.stderr
    assert hasura.log(shop.database, ["trigger_name", "archived"]) == [("old", False)]
