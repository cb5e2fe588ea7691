"""The private server of demos and tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from cdc_triggers.errors import UsageError
from cdc_triggers.postgres import embedded

if TYPE_CHECKING:
    from support.databases import Database
    from support.servers import Server


@pytest.mark.servers("18", "16", "system")
def test_server_decodes_logically_with_either_plugin_at_hand(database: Database) -> None:
    assert database.execute("SHOW wal_level") == [("logical",)]
    query = "SELECT slot_name FROM pg_create_logical_replication_slot(%s, 'pgoutput')"
    assert database.execute(query, database.slot) == [(database.slot,)]


@pytest.mark.servers("system")
def test_wal2json_decodes_on_the_system_server(wal2json: Server, database: Database) -> None:
    query = "SELECT slot_name FROM pg_create_logical_replication_slot(%s, 'wal2json')"
    assert database.execute(query, database.slot) == [(database.slot,)]


def test_data_and_port_survive_a_crash_and_a_restart(
    own_server: Server, own_database: Database
) -> None:
    own_database.execute("CREATE TABLE t AS SELECT 1 AS a")
    port = own_server.port
    own_server.kill()
    own_server.start()
    assert own_server.port == port
    assert own_database.execute("SELECT a FROM t") == [(1,)]


def test_database_teardown_ends_open_transactions_slots_and_prepared_ones(
    database: Database,
) -> None:
    database.execute("CREATE TABLE t (a int)")
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.slot)
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (1)")
        cursor.execute("PREPARE TRANSACTION %s", (database.name,))
    other = database.connect(database.role())
    assert other.closed == 0
    database.drop()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        database.execute("SELECT 1")


@pytest.mark.parametrize("version", [18, 16])
def test_embedded_server_keeps_its_data_from_one_start_to_the_next(
    tmp_path: Path, version: int
) -> None:
    first = embedded.start(tmp_path / "data", version)
    try:
        ask(first.dsn, "CREATE TABLE kept AS SELECT 1 AS a")
        assert ask(first.dsn, "SHOW wal_level") == [("logical",)]
        assert ask(first.dsn, "SHOW server_version_num")[0][0].startswith(str(version))
        again = embedded.start(tmp_path / "data", version)
        assert (again.pid, again.port) == (first.pid, first.port)
        first.stop()
        assert first.pid is None
        again = embedded.start(tmp_path / "data", version)
        assert ask(again.dsn, "SELECT a FROM kept") == [(1,)]
    finally:
        first.stop("immediate")
        shutil.rmtree(first.data_dir)


def test_missing_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'cdc-triggers\[embedded\]'"):
        embedded.start(tmp_path)


def test_version_that_the_wheel_lacks_names_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of: 16, 18"):
        embedded.start(tmp_path, version=15)


def test_server_that_cannot_start_shows_the_end_of_its_log(own_server: Server) -> None:
    with pytest.raises(embedded.EmbeddedError, match="unrecognized configuration parameter"):
        own_server.configure(no_such_setting="1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs programs that others can run")
def test_programs_out_of_the_other_users_reach_are_copied_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cdct-"))
    folder.chmod(0o711)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(embedded, "_reachable", lambda _folder, _user: False)
    user = embedded.unprivileged_user()
    try:
        bin_dir = embedded.wheel_bin_dir(18, user)
        assert bin_dir.is_relative_to(folder)
        assert embedded.wheel_bin_dir(18, user) == bin_dir
        server = embedded.EmbeddedServer(bin_dir, folder / "data", user)
        server.initialize()
        assert (server.data_dir / "PG_VERSION").exists()
    finally:
        shutil.rmtree(folder)


def ask(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
