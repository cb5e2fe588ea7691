"""Managed PostgreSQL: how each service shows itself, and what is switched on where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Provider:
    """One service.

    Attributes:
        traces: what only this service leaves in the catalogs, as `role:…`, `schema:…` or
            `function:…`; one is enough.
        host: host names that belong to it.
        logical: how wal_level becomes logical there.
        replication: how a role gets the right to replicate there; {role} stands for its name.
        note: what to know of its slots and addresses.
    """

    name: str
    traces: frozenset[str]
    host: re.Pattern[str] | None
    logical: str
    replication: str
    note: str


SELF_HOSTED: Final = Provider(
    name="self-hosted",
    traces=frozenset(),
    host=None,
    logical="ALTER SYSTEM SET wal_level = 'logical'; then restart the server",
    replication="as an administrator: ALTER ROLE {role} REPLICATION",
    note="no managed service recognised",
)

# Aurora stands before RDS and Supabase before all that may run below it: the first match counts.
PROVIDERS: Final[tuple[Provider, ...]] = (
    Provider(
        name="Amazon Aurora",
        traces=frozenset({"function:aurora_version"}),
        host=re.compile(r"\.cluster-(?:ro-)?[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com"),
        logical="set rds.logical_replication = 1 in the DB cluster parameter group, "
        "then reboot the writer instance",
        replication="as the master user: GRANT rds_replication TO {role}",
        note="use the cluster's writer endpoint; RDS Proxy does not speak replication",
    ),
    Provider(
        name="Amazon RDS",
        traces=frozenset({"role:rds_superuser"}),
        host=re.compile(r"\.rds\.amazonaws\.com"),
        logical="set rds.logical_replication = 1 in the DB parameter group, then reboot",
        replication="as the master user: GRANT rds_replication TO {role}",
        note="use the instance's endpoint; RDS Proxy does not speak replication",
    ),
    Provider(
        name="Google Cloud SQL",
        traces=frozenset({"role:cloudsqlsuperuser"}),
        host=None,
        logical="set the flag cloudsql.logical_decoding = on; the instance restarts",
        replication="as a member of cloudsqlsuperuser: ALTER ROLE {role} REPLICATION",
        note="a managed connection pool does not speak replication: use the instance's address",
    ),
    Provider(
        name="Azure Database for PostgreSQL",
        traces=frozenset({"role:azure_pg_admin"}),
        host=re.compile(r"\.postgres(?:ql)?\.database\.azure\.com"),
        logical="set the server parameter wal_level to logical, then restart the server",
        replication="as a member of azure_pg_admin: ALTER ROLE {role} REPLICATION",
        note="port 6432 is its PgBouncer: use port 5432",
    ),
    Provider(
        name="Supabase",
        traces=frozenset({"role:supabase_admin"}),
        host=re.compile(r"\.supabase\.(?:co|com|net)"),
        logical="it is logical by default; if it was changed: "
        "supabase postgres-config update --config wal_level=logical",
        replication="connect as the role postgres, which has the right; from PostgreSQL 17 on it "
        "can pass it on: ALTER ROLE {role} REPLICATION",
        note="use the direct host db.<project>.supabase.co, port 5432 (IPv6, or the IPv4 add-on); "
        "its poolers do not speak replication",
    ),
    Provider(
        name="Neon",
        traces=frozenset({"role:neon_superuser"}),
        host=re.compile(r"\.neon\.(?:tech|build)"),
        logical="switch on Logical Replication in the project's settings: "
        "it restarts the computes and cannot be switched off again",
        replication="use a role made in Neon's console or API: those have the right",
        note="use the host without -pooler; Neon removes slots that stay inactive for long, "
        "and a stream keeps the compute awake",
    ),
    Provider(
        name="Aiven",
        traces=frozenset({"role:avnadmin"}),
        host=re.compile(r"\.aivencloud\.com"),
        logical="set wal_level to logical in the service's advanced configuration",
        replication="as avnadmin: ALTER ROLE {role} REPLICATION",
        note="use the service's own port, not that of a connection pool",
    ),
    Provider(
        name="Heroku Postgres",
        traces=frozenset({"schema:heroku_ext"}),
        host=None,
        logical="Heroku Postgres does not offer logical decoding to outside consumers: "
        "ask its support, or move the database",
        replication="Heroku Postgres gives no role the right to replicate: "
        "ask its support, or move the database",
        note="logical replication is not offered to outside consumers",
    ),
)

TRACES: Final[tuple[str, ...]] = tuple(
    sorted({trace for provider in PROVIDERS for trace in provider.traces})
)


def detect(host: str, traces: frozenset[str]) -> Provider:
    """Who runs this server; what the catalogs show counts more than the host's name."""
    for provider in PROVIDERS:
        if provider.traces & traces:
            return provider
    for provider in PROVIDERS:
        if provider.host and provider.host.search(host):
            return provider
    return SELF_HOSTED
