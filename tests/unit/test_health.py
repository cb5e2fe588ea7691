"""What the doctor concludes from facts: every provider, every level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdc_triggers.core.finding import Finding, Level
from cdc_triggers.core.health import Facts, Holder, RoleFacts, TableFacts, blocked, examine
from cdc_triggers.core.providers import PROVIDERS, detect
from cdc_triggers.core.slot_health import PublicationFacts, SlotFacts

ROLE = RoleFacts(name="app", replication=True, create=True)
SLOT = SlotFacts(
    name="cdc_triggers",
    plugin="pgoutput",
    database="shop",
    here=True,
    active_pid=4711,
    wal_status="reserved",
    held_bytes=5000,
    lag_bytes=100,
    safe_bytes=None,
    invalidation=None,
)
READY = Facts(
    host="db.example.org",
    port=5432,
    version=180001,
    database="shop",
    settings={
        "wal_level": "logical",
        "max_replication_slots": "10",
        "max_wal_senders": "10",
        "max_slot_wal_keep_size": "50GB",
        "idle_replication_slot_timeout": "0",
        "synchronous_commit": "on",
    },
    in_recovery=False,
    slots_used=1,
    senders_used=1,
    role=ROLE,
    tables=(TableFacts("public.orders", "r", trigger_right=True),),
    publication=PublicationFacts("cdc_triggers", exists=True, late=False),
    slot=SLOT,
    wanted_slot="cdc_triggers",
    wanted_plugin="pgoutput",
)


def judge(**changes: Any) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(replace(READY, **changes))}


@pytest.mark.parametrize(
    ("trusted", "refused"),
    [
        ("pgoutput, test_decoding", True),
        ("", True),
        ("not_wal2json", True),
        ("pgoutput,wal2json", False),
        ('"wal2json", pgoutput', False),
    ],
)
def test_a_server_may_have_a_list_of_output_plugins(trusted: str, refused: bool) -> None:  # noqa: FBT001 - pytest's way
    settings = {**READY.settings, "output_plugin_libraries": trusted}
    found = judge(settings=settings, wanted_plugin="wal2json", slot=None)
    assert ("output plugin" in found) is refused
    if refused:
        assert found["output plugin"].level is Level.BLOCKER
    assert "output plugin" not in judge(wanted_plugin="wal2json", slot=None)


def set_to(**settings: str) -> dict[str, Finding]:
    return judge(settings={**READY.settings, **settings})


def test_a_role_of_read_only_transactions_can_do_nothing_here() -> None:
    found = set_to(default_transaction_read_only="on")["read-only transactions"]
    assert found.level is Level.BLOCKER
    assert found.fix == "ALTER ROLE app SET default_transaction_read_only = off"
    assert "read-only transactions" not in set_to(default_transaction_read_only="off")


def slot_with(**changes: Any) -> Finding:
    return judge(slot=replace(SLOT, **changes))["slot"]


def test_database_in_order_has_only_ok_findings() -> None:
    findings = examine(READY)
    assert {finding.level for finding in findings} == {Level.OK}
    assert not blocked(findings)


def test_every_finding_that_is_not_ok_has_a_fix() -> None:
    worst = examine(
        replace(
            READY,
            version=130000,
            settings={**READY.settings, "wal_level": "replica", "max_slot_wal_keep_size": "-1"},
            in_recovery=True,
            slots_used=10,
            senders_used=10,
            role=RoleFacts(
                "app", replication=False, create=False, refusal="no", refused_right=True
            ),
            tables=(TableFacts("v", "v", trigger_right=True), TableFacts("n", None, False)),  # noqa: FBT003
            publication=PublicationFacts("cdc_triggers", exists=False, late=False),
            slot=replace(SLOT, wal_status="unreserved", active_pid=None),
            holders=(Holder(prepared=True, who="g", age_s=1000),),
            same_backend=False,
        )
    )
    assert blocked(worst)
    assert all(finding.fix for finding in worst if finding.level is not Level.OK)


@pytest.mark.parametrize(
    ("version", "level"),
    [
        (130020, Level.BLOCKER),
        (140000, Level.OK),
        (180002, Level.OK),
        (190000, Level.WARNING),
    ],
)
def test_versions_14_to_18_are_supported(version: int, level: Level) -> None:
    assert judge(version=version)["server version"].level is level


def test_an_encoding_that_checks_nothing_is_a_warning() -> None:
    encoded = {**READY.settings, "server_encoding": "SQL_ASCII"}
    assert judge(settings=encoded)["encoding"].level is Level.WARNING


PROVIDER_CASES = [
    ("Amazon Aurora", "function:aurora_version", "DB cluster parameter group", "rds_replication"),
    ("Amazon RDS", "role:rds_superuser", "DB parameter group", "GRANT rds_replication TO app"),
    ("Google Cloud SQL", "role:cloudsqlsuperuser", "cloudsql.logical_decoding", "REPLICATION"),
    ("Azure Database for PostgreSQL", "role:azure_pg_admin", "server parameter", "azure_pg_admin"),
    ("Supabase", "role:supabase_admin", "logical by default", "ALTER ROLE app REPLICATION"),
    ("Neon", "role:neon_superuser", "project's settings", "console"),
    ("Aiven", "role:avnadmin", "advanced configuration", "as avnadmin"),
    ("Heroku Postgres", "schema:heroku_ext", "does not offer", "no role"),
]


@pytest.mark.parametrize(("name", "trace", "logical", "right"), PROVIDER_CASES)
def test_each_provider_gets_its_own_fixes(name: str, trace: str, logical: str, right: str) -> None:
    refused = RoleFacts("app", replication=False, create=True, refusal="x", refused_right=True)
    findings = judge(
        traces=frozenset({trace, "role:unrelated"}),
        role=refused,
        settings={**READY.settings, "wal_level": "replica"},
    )
    assert findings["provider"].detail.startswith(name)
    assert logical in findings["wal_level"].fix
    assert right in findings["replication right"].fix


def test_provider_cases_are_complete() -> None:
    assert [case[0] for case in PROVIDER_CASES] == [provider.name for provider in PROVIDERS]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.cluster-abc123.eu-west-1.rds.amazonaws.com", "Amazon Aurora"),
        ("shop.abc123.eu-west-1.rds.amazonaws.com", "Amazon RDS"),
        ("shop.postgres.database.azure.com", "Azure Database for PostgreSQL"),
        ("db.abcdef.supabase.co", "Supabase"),
        ("ep-cool-1.eu-central-1.aws.neon.tech", "Neon"),
        ("pg-1-shop.aivencloud.com", "Aiven"),
        ("ec2-1-2-3-4.compute-1.amazonaws.com", "self-hosted"),
        ("", "self-hosted"),
    ],
)
def test_provider_is_recognised_by_its_host_if_the_catalogs_show_none(host: str, name: str) -> None:
    assert detect(host, frozenset()).name == name


def test_catalogs_count_more_than_the_hosts_name() -> None:
    traces = frozenset({"role:cloudsqlsuperuser"})
    assert detect("proxy.rds.amazonaws.com", traces).name == "Google Cloud SQL"


def test_full_slots_block_unless_our_slot_is_among_them() -> None:
    assert judge(slots_used=10, slot=None)["replication slots"].level is Level.BLOCKER
    assert judge(slots_used=10)["replication slots"].level is Level.OK
    assert judge(senders_used=10)["WAL senders"].level is Level.OK
    idle = replace(SLOT, active_pid=None)
    assert judge(senders_used=10, slot=idle)["WAL senders"].level is Level.BLOCKER


def test_pooler_is_recognised_by_refusal_by_backend_or_by_address() -> None:
    refused = replace(ROLE, refusal="unsupported startup parameter", refused_pooler=True)
    findings = judge(role=refused)
    assert findings["pooler"].level is Level.BLOCKER
    assert "replication right" not in findings
    assert judge(same_backend=False)["pooler"].level is Level.WARNING
    assert judge(port=6543)["pooler"].level is Level.WARNING
    assert judge(host="ep-1-pooler.eu.aws.neon.tech")["pooler"].level is Level.WARNING


def test_refusal_for_another_reason_shows_that_reason() -> None:
    findings = judge(role=replace(ROLE, refusal="no entry", refusal_hint="add a line"))
    assert findings["replication connection"].level is Level.BLOCKER
    assert findings["replication connection"].fix == "add a line"


def test_grants_quote_names_that_need_it() -> None:
    role = RoleFacts('Odd"Name', replication=True, create=False)
    findings = judge(role=role, database="My Shop")
    expected = 'GRANT CREATE ON DATABASE "My Shop" TO "Odd""Name"'
    assert findings["create right"].fix == expected


@pytest.mark.parametrize(
    ("kind", "right", "level"),
    [
        ("r", True, Level.OK),
        ("p", True, Level.OK),
        ("r", False, Level.BLOCKER),
        ("v", True, Level.BLOCKER),
        ("f", True, Level.BLOCKER),
        (None, False, Level.BLOCKER),
    ],
)
def test_tables_need_rows_and_the_trigger_right(
    kind: str | None,
    right: bool,  # noqa: FBT001 - a parameter of the table above
    level: Level,
) -> None:
    table = TableFacts("public.orders", kind, right)
    assert judge(tables=(table,))["table public.orders"].level is level


def test_a_schema_that_may_not_be_used_blocks() -> None:
    table = TableFacts("shop.orders", "r", trigger_right=True, closed_schema="shop")
    found = judge(tables=(table,))["table shop.orders"]
    assert (found.level, found.fix) == (Level.BLOCKER, "GRANT USAGE ON SCHEMA shop TO app")


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"wal_status": "lost"}, Level.WARNING, "is lost"),
        ({"invalidation": "idle_timeout"}, Level.WARNING, "idle_timeout"),
        ({"here": False, "database": "other"}, Level.BLOCKER, "belongs to other"),
        ({"here": False, "database": None}, Level.BLOCKER, "physical"),
        ({"plugin": "wal2json"}, Level.BLOCKER, "made for wal2json"),
        ({"plugin": "test_decoding"}, Level.BLOCKER, "made for test_decoding"),
        ({"wal_status": "unreserved"}, Level.WARNING, "next checkpoint"),
        ({"safe_bytes": 4096}, Level.WARNING, "lost after another 4.0 KiB"),
        ({"safe_bytes": 10**9}, Level.OK, "read by pid 4711"),
        ({"held_bytes": 2 * 1024**3}, Level.WARNING, "2.0 GiB of WAL held"),
        ({"active_pid": None}, Level.OK, "nobody reads it"),
    ],
)
def test_slot_health(changes: dict[str, Any], level: Level, text: str) -> None:
    finding = slot_with(**changes)
    assert finding.level is level
    assert text in finding.detail


def test_no_slot_and_no_publication_yet_is_fine() -> None:
    absent = PublicationFacts("cdc_triggers", exists=False, late=False)
    findings = judge(slot=None, publication=absent)
    assert findings["slot"].level is Level.OK
    assert findings["publication"].level is Level.OK


def test_publication_must_be_older_than_the_slot() -> None:
    absent = PublicationFacts("cdc_triggers", exists=False, late=False)
    late = PublicationFacts("cdc_triggers", exists=True, late=True)
    assert judge(publication=absent)["publication"].level is Level.BLOCKER
    assert judge(publication=late)["publication"].level is Level.WARNING


def test_settings_that_lose_a_slot_or_cost_latency_are_warned_of() -> None:
    name = "max_slot_wal_keep_size"
    assert set_to(**{name: "-1"})[name].level is Level.WARNING
    assert set_to(**{name: "50GB"})[name].level is Level.OK
    idle = "idle_replication_slot_timeout"
    assert set_to(**{idle: "1d"})[idle].level is Level.WARNING
    assert idle not in set_to(**{idle: "0"})
    commit = set_to(synchronous_commit="off")["synchronous_commit"]
    assert commit.level is Level.WARNING
    assert "200 ms" in commit.detail


def test_old_transactions_are_named_with_the_way_to_end_them() -> None:
    young = Holder(prepared=False, who="12", age_s=10)
    assert judge(holders=(young,))["old transactions"].level is Level.OK
    old = judge(holders=(Holder(prepared=False, who="12", age_s=600),))["old transactions"]
    assert old.level is Level.WARNING
    assert old.fix.endswith("pg_terminate_backend(12)")
    prepared = judge(holders=(Holder(prepared=True, who="it's", age_s=600),))["old transactions"]
    assert prepared.fix.endswith("ROLLBACK PREPARED 'it''s'")


def test_standby_blocks() -> None:
    assert judge(in_recovery=True)["primary"].level is Level.BLOCKER
    assert "primary" not in judge()
