"""What the user may do wrong: told in one run with its place and a remedy; nothing is changed."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extras import LogicalReplicationConnection
from support.databases import Database, create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers import Server

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric);
CREATE VIEW orders_view AS SELECT * FROM orders;
CREATE MATERIALIZED VIEW orders_stored AS SELECT * FROM orders;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE orders_foreign (id int) SERVER elsewhere;
CREATE SEQUENCE orders_sequence"""

GOOD = """\
version: 1
triggers:
  - name: order_changed
    table: public.orders
    insert: {columns: "*"}
    webhook: http://127.0.0.1:9/
"""

BAD_IN_ITSELF = """\
version: 1
triggers:
  - name: empty_list
    table: orders
    update: {columns: []}
    webhook: http://127.0.0.1:9/
  - name: scheme
    table: orders
    insert: {columns: "*"}
    webhook: ftp://127.0.0.1/
  - name: no_host
    table: orders
    insert: {columns: "*"}
    webhook: "https://"
  - name: twice
    table: orders
    insert: {columns: "*"}
    webhook: http://127.0.0.1:9/
  - name: twice
    table: orders
    insert: {columns: "*"}
    webhook: http://127.0.0.1:9/
  - name: a23456789b123456789c123456789d123456789e123
    table: orders
    insert: {columns: "*"}
    webhook: http://127.0.0.1:9/
  - name: typing_error
    table: orders
    insrt: {columns: "*"}
    enable_manual: true
    webhook: http://127.0.0.1:9/
  - name: no_operation
    table: orders
    webhook: http://127.0.0.1:9/
  - name: no_table
    insert: {columns: "*"}
    webhook: http://127.0.0.1:9/
  - name: condition
    table: orders
    insert: {columns: "*"}
    condition: |
      nwe.status == "paid" &&
        new.total = 5
    webhook: http://127.0.0.1:9/
  - {name: names, table: orders, delete: {}, webhook: "http://x/", condition: "id > lower(1)"}
  - {name: by_hand, table: orders, enable_manual: true, webhook: "http://x/", condition: "true"}
"""
SAID_OF_ITSELF = (
    (5, "empty_list", "an empty column list fires for nothing"),
    (10, "scheme", "write https://"),
    (14, "no_host", "has no host"),
    (19, "twice", "is defined already at"),
    (23, "a23456789b123456789c123456789d123456789e123", "43 characters: at most 42"),
    (29, "typing_error", "did you mean `insert`?"),
    (32, "no_operation", "at least one of insert, update, delete, enable_manual"),
    (35, "no_table", "`table` is missing"),
    (43, "condition", "`condition`: line 2, column 13: `=` alone means nothing: write `==`"),
    (45, "names", "`condition`: line 1, column 1: unknown name id"),
    (45, "names", "`condition`: line 1, column 6: unknown function lower()"),
    (46, "by_hand", "condition means nothing to a trigger that is only invoked by hand"),
)

BAD_HERE = """\
version: 1
triggers:
  - name: unknown_table
    table: public.ordrs
    insert: {columns: "*"}
    webhook: http://127.0.0.1:9/
  - name: unknown_column
    table: orders
    update: {columns: [statsu], payload: [nonsense_here]}
    webhook: http://127.0.0.1:9/
  - {name: of_view, table: orders_view, insert: {columns: "*"}, webhook: "http://127.0.0.1:9/"}
  - {name: of_stored, table: orders_stored, insert: {columns: "*"}, webhook: "http://127.0.0.1:9/"}
  - {name: foreign, table: orders_foreign, insert: {columns: "*"}, webhook: "http://127.0.0.1:9/"}
  - {name: sequence, table: orders_sequence, insert: {columns: "*"}, webhook: "http://127.0.0.1:9/"}
  - name: unset
    table: orders
    insert: {columns: "*"}
    webhook: "{{NOT_SET_1}}/orders"
    headers: [{name: X-Key, value_from_env: NOT_SET_2}]
  - name: bad_variable
    table: orders
    insert: {columns: "*"}
    webhook_from_env: SHOP_BAD_URL
  - name: condition_here
    table: orders
    update: {columns: "*"}
    condition: |
      old.statsu != new.status ||
        new.total + 1 > 5 || new.status > 5
    webhook: http://127.0.0.1:9/
"""
SAID_HERE = (
    (3, "unknown_table", "did you mean public.orders?"),
    (
        7,
        "unknown_column",
        "update.columns: public.orders has no column statsu: did you mean status",
    ),
    (7, "unknown_column", "update.payload: public.orders has no column nonsense_here"),
    (11, "of_view", "view"),
    (12, "of_stored", "view"),
    (13, "foreign", "foreign table"),
    (14, "sequence", "public.orders_sequence is a sequence"),
    (15, "unset", "NOT_SET_1 is not set"),
    (15, "unset", "NOT_SET_2 is not set"),
    (20, "bad_variable", "write https://"),
    (24, "condition_here", "condition: public.orders has no column statsu: did you mean status?"),
    (24, "condition_here", "condition: line 2, column 13: `+` takes two values of one type"),
    (24, "condition_here", "condition: line 2, column 35: `>` cannot compare string and int"),
)


@dataclass
class Shop:
    """A database, a folder with a trigger file, and the command line on both."""

    database: Database
    folder: Path

    def cli(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        unwanted = ("PG", "CDC_TRIGGERS", "DATABASE_URL", "NOT_SET", "SHOP_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        dsn = {"CDC_TRIGGERS_DSN": self.database.dsn, "SHOP_BAD_URL": "gopher://s3cret/"}
        return subprocess.run(
            [sys.executable, "-m", "cdc_triggers", *args],
            check=False,
            cwd=self.folder,
            env={**kept, **dsn, **environ},
            capture_output=True,
            text=True,
            timeout=100,
        )

    def write(self, text: str) -> None:
        (self.folder / "triggers.yaml").write_text(text)

    def catalog(self) -> list[tuple[Any, ...]]:
        """Everything that apply makes, and every row that it would change."""
        found = self.database.execute(
            "SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname = 'cdc_triggers' "
            "UNION ALL SELECT 'publication', pubname::text FROM pg_publication "
            "UNION ALL SELECT 'slot', slot_name::text FROM pg_replication_slots "
            "WHERE database = current_database() "
            "UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal "
            "ORDER BY 1, 2"
        )
        if ("schema", "cdc_triggers") in found:
            found += self.database.execute("SELECT * FROM cdc_triggers.trigger_revision")
        return found


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    database.execute(TABLES)
    made = Shop(database, tmp_path)
    made.write(GOOD)
    return made


def refused(done: subprocess.CompletedProcess[str], codes: set[int], *texts: str) -> None:
    """It ended with one of these codes, an error with a remedy, no data and no traceback."""
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert done.stdout == ""
    for text in texts:
        assert text in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [(BAD_IN_ITSELF, SAID_OF_ITSELF), (BAD_HERE, SAID_HERE)],
    ids=["in-itself", "against-the-database"],
)
@pytest.mark.parametrize("applied", [False, True], ids=["fresh", "applied-before"])
def test_every_error_of_a_file_is_told_in_one_run_with_its_place_and_changes_nothing(
    shop: Shop, text: str, said: tuple[tuple[int, str, str], ...], *, applied: bool
) -> None:
    slot = ("--slot", shop.database.slot)
    if applied:
        assert shop.cli("apply", "--yes", *slot).returncode == 0
    before = shop.catalog()
    shop.write(text)
    for command in (("diff",), ("apply", "--yes", *slot), ("stream", "--apply", *slot)):
        done = shop.cli(*command)
        refused(done, {2}, f"{len(said)} problems")
        lines = done.stderr.splitlines()
        for line, name, words in said:
            place = f"triggers.yaml:{line}: "
            assert any(place in each and name in each and words in each for each in lines), (
                place,
                words,
                done.stderr,
            )
        assert "s3cret" not in done.stderr
    assert shop.catalog() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: 1",
        "triggers: [",
        "version: 1\ntriggers: {a: b}",
        "\x00",
        "- a\n- b",
        "&a [*a]",
    ],
)
def test_a_file_that_is_no_trigger_file_is_refused_with_its_place(shop: Shop, text: str) -> None:
    shop.write(text)
    refused(shop.cli("apply", "--yes"), {2}, "triggers.yaml", "1 problem")
    assert shop.catalog() == []


def test_a_file_that_is_not_there_is_refused(shop: Shop) -> None:
    refused(shop.cli("apply", "--yes", "-c", "other.yaml"), {2}, "other.yaml")


def test_no_env_check_applies_what_only_the_environment_lacks(shop: Shop) -> None:
    shop.write(GOOD.replace("http://127.0.0.1:9/", '"{{NOT_SET_1}}/"'))
    apply = ("apply", "--yes", "--slot", shop.database.slot)
    refused(shop.cli(*apply), {2}, "NOT_SET_1", "--no-env-check")
    assert shop.cli(*apply, "--no-env-check").returncode == 0


def test_a_stream_on_a_database_without_cdc_triggers_says_apply(shop: Shop) -> None:
    refused(shop.cli("stream"), {1, 3}, "cdc-triggers apply")


def test_a_stream_without_its_slot_says_apply(shop: Shop) -> None:
    assert shop.cli("apply", "--yes", "--slot", shop.database.slot).returncode == 0
    done = shop.cli("stream", "--slot", "other_slot")
    refused(done, {1}, "other_slot", "cdc-triggers apply")


def test_a_stream_with_another_plugin_than_its_slot_says_which(shop: Shop) -> None:
    slot = ("--slot", shop.database.slot)
    assert shop.cli("apply", "--yes", *slot).returncode == 0
    done = shop.cli("stream", "--plugin", "wal2json", *slot)
    refused(done, {1}, "pgoutput", "--plugin pgoutput")


def test_apply_with_a_plugin_that_the_server_has_not_names_it_and_changes_nothing(
    shop: Shop,
) -> None:
    if shop.database.server.has_wal2json:
        pytest.skip("this server has both plugins")
    done = shop.cli("apply", "--yes", "--plugin", "wal2json", "--slot", shop.database.slot)
    assert done.returncode in {1, 3}
    assert "no output plugin wal2json" in done.stderr
    assert "Traceback" not in done.stderr
    assert shop.catalog() == []


def test_a_stream_whose_slot_somebody_else_reads_says_who_and_can_be_stopped(shop: Shop) -> None:
    slot = shop.database.slot
    assert shop.cli("apply", "--yes", "--slot", slot).returncode == 0
    with (
        closing(
            psycopg2.connect(shop.database.dsn, connection_factory=LogicalReplicationConnection)
        ) as other,
        other.cursor() as reader,
    ):
        pid = other.info.backend_pid
        options = {"proto_version": "1", "publication_names": "cdc_triggers"}
        reader.start_replication(slot, options=options)
        command = [sys.executable, "-m", "cdc_triggers", "stream", "--slot", slot]
        process = subprocess.Popen(
            [*command, "--dsn", shop.database.dsn], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        said = process.stderr.readline()
        while "slot.busy" not in said and (line := process.stderr.readline()):
            said += line
        process.terminate()
        rest = process.communicate(timeout=30)[1]
    assert f"pid {pid}" in said.lower()
    assert process.returncode in {0, 1}
    assert "Traceback" not in said + rest


def test_a_role_without_replication_is_told_the_grant_by_stream(shop: Shop) -> None:
    database = shop.database
    slot = ("--slot", database.slot)
    assert shop.cli("apply", "--yes", *slot).returncode == 0
    role = database.role()
    database.execute(
        f"GRANT USAGE ON SCHEMA cdc_triggers TO {role};"
        f"GRANT ALL ON ALL TABLES IN SCHEMA cdc_triggers TO {role};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA cdc_triggers TO {role};"
    )
    done = shop.cli("stream", *slot, CDC_TRIGGERS_DSN=database.dsn_as(role))
    refused(done, {1, 3}, "ALTER ROLE", "REPLICATION")


@pytest.fixture
def replica_level(make_server: Callable[..., Server], tmp_path: Path) -> Iterator[Shop]:
    fresh = create(make_server("18", wal_level="replica"))
    fresh.execute(TABLES)
    shop = Shop(fresh, tmp_path)
    shop.write(GOOD)
    yield shop
    fresh.drop()


def test_a_server_without_logical_wal_is_told_the_setting_and_is_not_changed(
    replica_level: Shop,
) -> None:
    shop = replica_level
    for command in (("apply", "--yes"), ("stream", "--apply")):
        done = shop.cli(*command, "--slot", shop.database.slot)
        assert done.returncode in {1, 3}, done.stderr
        assert "Traceback" not in done.stderr
        assert "wal_level = 'logical'" in done.stderr
        assert shop.catalog() == []
    done = shop.cli("doctor", "--slot", shop.database.slot)
    assert done.returncode == 3
    assert "wal_level" in done.stdout + done.stderr


def test_a_slot_that_was_never_made_is_refused_and_apply_makes_it(shop: Shop) -> None:
    assert shop.cli("apply", "--yes", "--slot", f"{shop.database.slot}_other").returncode == 0
    slot = ("--slot", shop.database.slot)
    refused(shop.cli("stream", *slot), {1}, shop.database.slot, "cdc-triggers apply")
    assert shop.cli("apply", "--yes", *slot).returncode == 0
    assert ("slot", shop.database.slot) in shop.catalog()
    shop.database.execute("SELECT pg_drop_replication_slot(%s)", shop.database.slot)
    assert shop.cli("apply", "--yes", *slot).returncode == 0
    assert ("slot", shop.database.slot) in shop.catalog()


def test_a_server_that_is_not_there_at_the_start_ends_the_stream(shop: Shop) -> None:
    done = shop.cli("stream", CDC_TRIGGERS_DSN="postgresql://u:s3cret@127.0.0.1:1/x")
    refused(done, {1}, "127.0.0.1")
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    "command", ["events list", "cleanup history", "condition test order_changed -e true"]
)
def test_a_limit_that_is_no_number_of_postgresql_is_refused_as_an_option(
    shop: Shop, command: str
) -> None:
    assert shop.cli("apply", "--yes", "--slot", shop.database.slot).returncode == 0
    done = shop.cli(*command.split(), "--limit", str(1 << 63))
    assert done.returncode == 2, done.stderr
    assert "--limit" in done.stderr
    assert "PostgreSQL" not in done.stderr
