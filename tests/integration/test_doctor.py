"""The doctor on real servers: healthy ones, and each thing that can be wrong with one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import typer
from support.proxy import Proxy
from support.refuser import Refuser
from support.waiting import wait_until
from typer.testing import CliRunner

from cdc_triggers.cli.doctor import doctor
from cdc_triggers.core.finding import Finding, Level
from cdc_triggers.errors import (
    BlockedError,
    ConnectionLostError,
    DatabaseError,
    SlotBusyError,
    SlotError,
    SlotLostError,
    UsageError,
)
from cdc_triggers.postgres.connect import connect, connect_replication, redact, translate
from cdc_triggers.postgres.doctor import Wanted, examine

if TYPE_CHECKING:
    from support.databases import Database
    from support.servers import Server


def by_name(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def diagnose(database: Database, role: str | None = None, **wanted: Any) -> dict[str, Finding]:
    dsn = database.dsn if role is None else database.dsn_as(role)
    wanted = {"slot": database.slot, **wanted}
    return by_name(examine(dsn, Wanted(**wanted)))


@pytest.mark.servers("18", "16", "system")
def test_ready_server_has_no_blocker_and_no_trace_of_the_examination(database: Database) -> None:
    database.execute("CREATE TABLE orders (id int)")
    findings = diagnose(database, tables=("public.orders", "orders"))
    assert [f for f in findings.values() if f.level is Level.BLOCKER] == []
    assert findings["wal_level"].detail == "logical"
    assert findings["table public.orders"].level is Level.OK
    assert findings["provider"].detail.startswith("self-hosted")
    assert findings["max_slot_wal_keep_size"].level is Level.WARNING
    assert "is not there yet" in findings["slot"].detail
    ours = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'cdc-triggers doctor' AND datname = current_database()"
    )
    wait_until(lambda: not database.execute(ours), what="the doctor's connections are closed")


@pytest.mark.servers("18", "16", "system")
def test_role_without_replication_is_told_the_grant(database: Database) -> None:
    role = database.role()
    database.execute("CREATE TABLE orders (id int)")
    findings = diagnose(database, role, tables=("orders", "nowhere.at_all"))
    assert findings["replication right"].level is Level.BLOCKER
    assert findings["replication right"].fix.endswith(f"ALTER ROLE {role} REPLICATION")
    assert findings["create right"].fix == f"GRANT CREATE ON DATABASE {database.name} TO {role}"
    assert findings["table orders"].fix == f"GRANT TRIGGER ON orders TO {role}"
    assert findings["table nowhere.at_all"].detail == "there is no such table"


def test_role_with_just_the_documented_rights_has_no_blocker(database: Database) -> None:
    role = database.role("REPLICATION")
    database.execute("CREATE TABLE orders (id int)")
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role}")
    database.execute(f"GRANT TRIGGER ON orders TO {role}")
    findings = diagnose(database, role, tables=("orders",))
    assert [f for f in findings.values() if f.level is Level.BLOCKER] == []
    # What was granted to the role would keep it from being dropped.
    database.execute(f"DROP OWNED BY {role}")


def test_a_table_in_a_closed_schema_or_with_a_partition_without_the_right_is_told_the_grant(
    database: Database,
) -> None:
    role = database.role("REPLICATION")
    database.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)")
    database.execute(
        "CREATE TABLE parts (id int) PARTITION BY LIST (id);"
        "CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1)"
    )
    database.execute(f"GRANT TRIGGER ON shop.orders, parts TO {role}")
    findings = diagnose(database, role, tables=("shop.orders", "parts"))
    assert findings["table shop.orders"].level is Level.BLOCKER
    assert findings["table shop.orders"].fix == f"GRANT USAGE ON SCHEMA shop TO {role}"
    assert findings["table parts"].level is Level.BLOCKER
    assert findings["table parts"].fix == f"GRANT TRIGGER ON parts TO {role}, and on its partitions"
    database.execute(f"GRANT USAGE ON SCHEMA shop TO {role}; GRANT TRIGGER ON part1 TO {role}")
    findings = diagnose(database, role, tables=("shop.orders", "parts"))
    assert {findings[f"table {name}"].level for name in ("shop.orders", "parts")} == {Level.OK}
    database.execute(f"DROP OWNED BY {role}")


def test_a_schema_of_another_role_blocks_and_says_whose_it_is(database: Database) -> None:
    role = database.role("REPLICATION")
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role}")
    database.execute("CREATE SCHEMA cdc_triggers")
    finding = diagnose(database, role)["schema cdc_triggers"]
    assert finding.level is Level.BLOCKER
    assert "postgres" in finding.detail
    assert finding.fix.endswith(f"GRANT postgres TO {role}")
    database.execute(f"ALTER SCHEMA cdc_triggers OWNER TO {role}")
    assert "schema cdc_triggers" not in diagnose(database, role)
    database.execute("DROP SCHEMA cdc_triggers")


def test_a_table_that_is_no_identifier_is_told_how_to_write_it(database: Database) -> None:
    database.execute('CREATE TABLE "Order Items" (id int)')
    for name in ("", "public.Order Items"):
        with pytest.raises(UsageError, match="as in SQL"):
            diagnose(database, tables=(name,))
    name = 'public."Order Items"'
    assert diagnose(database, tables=(name,))[f"table {name}"].level is Level.OK


def test_wal_level_replica_blocks_and_says_how_to_change_it(make_server: Any) -> None:
    server: Server = make_server("18", wal_level="replica")
    findings = by_name(examine(server.dsn, Wanted()))
    assert findings["wal_level"].level is Level.BLOCKER
    assert "ALTER SYSTEM SET wal_level = 'logical'" in findings["wal_level"].fix
    with pytest.raises(psycopg2.Error) as caught, psycopg2.connect(server.dsn).cursor() as cursor:
        cursor.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    assert isinstance(translate(caught.value), BlockedError)


def test_managed_service_is_recognised_by_its_roles(own_server: Server) -> None:
    with psycopg2.connect(own_server.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE cloudsqlsuperuser")
    own_server.configure(wal_level="replica")
    findings = by_name(examine(own_server.dsn, Wanted()))
    assert findings["provider"].detail.startswith("Google Cloud SQL")
    assert "cloudsql.logical_decoding = on" in findings["wal_level"].fix


def test_command_prints_fixes_for_people_and_json_for_programs(database: Database) -> None:
    app = typer.Typer()
    app.command()(doctor)
    healthy = CliRunner().invoke(app, ["--dsn", database.dsn, "--slot", database.slot, "--json"])
    assert healthy.exit_code == 0
    assert {"level": "ok", "what": "wal_level", "detail": "logical", "fix": ""} in json.loads(
        healthy.stdout
    )
    dsn = database.dsn_as(database.role())
    blocked = CliRunner().invoke(app, ["--dsn", dsn, "--slot", database.slot])
    assert blocked.exit_code == 3
    assert "BLOCKER  replication right" in blocked.stdout
    assert "-> as an administrator: ALTER ROLE" in blocked.stdout


def test_full_slots_and_senders_block(make_server: Any) -> None:
    server: Server = make_server("18", max_replication_slots="1", max_wal_senders="1")
    with psycopg2.connect(server.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')")
    first = connect_replication(server.dsn)
    findings = by_name(examine(server.dsn, Wanted()))
    assert findings["replication slots"].level is Level.BLOCKER
    assert findings["WAL senders"].level is Level.BLOCKER
    assert "max_wal_senders" in findings["replication connection"].fix
    with pytest.raises(ConnectionLostError, match="raise max_wal_senders"):
        connect_replication(server.dsn)
    first.close()


def test_slot_made_before_its_publication_is_told_to_be_remade(database: Database) -> None:
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.slot)
    assert diagnose(database)["publication"].level is Level.BLOCKER
    database.execute("CREATE PUBLICATION cdc_triggers")
    assert diagnose(database)["publication"].level is Level.WARNING
    database.execute("SELECT pg_drop_replication_slot(%s)", database.slot)
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.slot)
    assert diagnose(database)["publication"].level is Level.OK


@pytest.mark.servers("system")
def test_slot_of_the_other_plugin_blocks(wal2json: Server, database: Database) -> None:
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'wal2json')", database.slot)
    assert diagnose(database)["slot"].level is Level.BLOCKER
    assert "use --plugin wal2json" in diagnose(database)["slot"].fix
    assert diagnose(database, plugin="wal2json")["slot"].level is Level.OK


@pytest.mark.servers("18", "16", "system")
def test_lost_slot_is_a_warning_and_its_error_says_what_happens(
    make_server: Any, server: Server
) -> None:
    own: Server = make_server(server.name, max_slot_wal_keep_size="1MB", max_wal_size="32MB")
    with psycopg2.connect(own.dsn) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
            for _ in range(3):
                cursor.execute("SELECT pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()")
            cursor.execute("CHECKPOINT")
            findings = by_name(examine(own.dsn, Wanted(slot="s")))
            assert findings["slot"].level is Level.WARNING
            assert "is lost" in findings["slot"].detail
            with pytest.raises(psycopg2.Error) as caught:
                cursor.execute(
                    "SELECT pg_logical_slot_get_binary_changes"
                    "('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')"
                )
    assert isinstance(translate(caught.value), SlotLostError)
    assert "makes it anew" in translate(caught.value).hint


@pytest.mark.servers("18", "16", "system")
def test_slot_in_use_names_the_pid_and_a_missing_slot_the_remedy(database: Database) -> None:
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.slot)
    options = {"proto_version": "1", "publication_names": "p"}
    reader = connect_replication(database.dsn)
    reader.cursor().start_replication(database.slot, decode=False, options=options)
    pid = reader.info.backend_pid
    wait_until(
        lambda: f"read by pid {pid}" in diagnose(database)["slot"].detail,
        what="the slot is being read",
    )
    other = connect_replication(database.dsn)
    with pytest.raises(psycopg2.Error) as busy:
        other.cursor().start_replication(database.slot, decode=False, options=options)
    assert isinstance(translate(busy.value), SlotBusyError)
    assert f"in use by pid {pid}" in translate(busy.value).hint
    with pytest.raises(psycopg2.Error) as none:
        other.cursor().start_replication("no_such_slot", decode=False, options=options)
    assert isinstance(translate(none.value), SlotError)
    assert "there is no slot no_such_slot" in translate(none.value).hint
    reader.close()
    other.close()


def test_old_prepared_transaction_is_named_once_it_is_old(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc_triggers.core.health.PATIENCE_S", 0.0)
    with database.connect().cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int)")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (1)")
        cursor.execute("PREPARE TRANSACTION %s", (database.name,))
    finding = diagnose(database)["old transactions"]
    assert finding.level is Level.WARNING
    assert f"ROLLBACK PREPARED '{database.name}'" in finding.fix


@pytest.mark.parametrize(
    ("changes", "kind", "hint"),
    [
        ({"dbname": "no_such"}, DatabaseError, "there is no database no_such"),
        ({"user": "no_such"}, DatabaseError, "there is no role no_such"),
        ({"port": "1"}, ConnectionLostError, "check host and port"),
        ({"host": "no-such-host.invalid"}, ConnectionLostError, "check its spelling"),
        ({"sslmode": "require"}, DatabaseError, "the server has no SSL"),
    ],
)
def test_refused_connection_says_why_and_what_to_do(
    database: Database, changes: dict[str, str], kind: type[Exception], hint: str
) -> None:
    dsn = psycopg2.extensions.make_dsn(database.dsn, password="hidden", **changes)
    for attempt in (connect, connect_replication):
        with pytest.raises(kind, match=hint) as caught:
            attempt(dsn, application_name="test")
        assert "hidden" not in str(caught.value)
        assert isinstance(caught.value.__cause__, psycopg2.Error)


def test_wrong_password_and_missing_pg_hba_entry_say_so(own_server: Server) -> None:
    with psycopg2.connect(own_server.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE secretive LOGIN PASSWORD 'right'; CREATE ROLE stranger LOGIN")
    connection.close()
    hba = own_server.data_dir / "pg_hba.conf"
    hba.write_text(
        "host all postgres 127.0.0.1/32 trust\nhost all secretive 127.0.0.1/32 scram-sha-256\n"
    )
    own_server.restart()
    wrong = f"postgresql://secretive:wrong@{own_server.host}:{own_server.port}/postgres"
    with pytest.raises(DatabaseError, match="check the password") as caught:
        connect(wrong, application_name="test")
    assert "wrong@" not in str(caught.value)
    with pytest.raises(DatabaseError, match=r"add a line for this role.*pg_hba\.conf"):
        connect(own_server.dsn_of("postgres", "stranger"), application_name="test")


def test_pooler_that_refuses_replication_is_named_with_the_way_around_it() -> None:
    with Refuser(b"unsupported startup parameter: replication", b"08P01") as pooler:
        dsn = f"postgresql://user:hidden@{pooler.host}:{pooler.port}/db?sslmode=disable"
        with pytest.raises(BlockedError, match="a connection pooler is in the way"):
            connect_replication(dsn)


def test_connection_string_that_makes_no_sense_is_not_quoted() -> None:
    with pytest.raises(UsageError) as caught:
        connect("password=secret nonsense", application_name="test")
    assert "secret" not in str(caught.value)
    assert "***" in redact("password=secret nonsense")


@pytest.mark.parametrize("password", ["front@secret", "secret/back", "secret:1/x@y"])
def test_a_password_that_is_not_encoded_is_not_quoted(password: str) -> None:
    for attempt in (connect, connect_replication):
        with pytest.raises(UsageError, match="write %40 for @") as caught:
            attempt(f"postgresql://u:{password}@127.0.0.1:1/x", application_name="test")
        assert "secret" not in str(caught.value)


def test_sockets_in_the_abstract_namespace_and_several_hosts_are_no_mistake() -> None:
    for dsn in ("host=@nobody", "host=127.0.0.1,@nobody port=1,1", "postgresql://@127.0.0.1:1/x"):
        with pytest.raises(ConnectionLostError):
            connect(dsn, application_name="test")


def test_options_are_set_in_the_session_and_the_users_own_parameters_win(
    database: Database,
) -> None:
    dsn = database.dsn + "?keepalives_idle=77"
    opened = connect(dsn, application_name="me", options={"lock_timeout": "1234ms"})
    with opened.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), current_setting('application_name')"
        )
        assert cursor.fetchone() == ("1234ms", "me")
    assert opened.get_dsn_parameters()["keepalives_idle"] == "77"
    assert opened.autocommit
    opened.close()


def test_terminated_and_cut_connections_are_lost_ones(database: Database) -> None:
    with Proxy(database.server.host, database.server.port) as proxy:
        dsn = psycopg2.extensions.make_dsn(database.dsn, port=str(proxy.port))
        for end in (
            lambda pid: database.execute("SELECT pg_terminate_backend(%s, 5000)", pid),
            lambda _pid: proxy.cut(),
        ):
            opened = connect(dsn, application_name="test")
            end(opened.info.backend_pid)
            for _ in range(2):
                with pytest.raises(psycopg2.Error) as caught:
                    opened.cursor().execute("SELECT 1")
                assert isinstance(translate(caught.value), ConnectionLostError)


def test_proxy_that_stops_refuses_and_comes_back_on_the_same_port(database: Database) -> None:
    with Proxy(database.server.host, database.server.port) as proxy:
        dsn = psycopg2.extensions.make_dsn(database.dsn, port=str(proxy.port))
        proxy.stop()
        with pytest.raises(ConnectionLostError):
            connect(dsn, application_name="test")
        proxy.start()
        connect(dsn, application_name="test").close()
        proxy.go_deaf()
        with pytest.raises(ConnectionLostError, match="does not answer"):
            connect(dsn + " connect_timeout=2", application_name="test")
        proxy.hear()
        connect(dsn, application_name="test").close()
