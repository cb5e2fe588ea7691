"""Is this database ready for capture and streaming, and what must be mended first? Pure judgement.

`postgres.doctor` collects the facts; `examine` turns them into findings, each with its fix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.catalog import quoted
from cdc_triggers.core.finding import Finding, Level, blocker, ok, warning
from cdc_triggers.core.providers import Provider, detect
from cdc_triggers.core.slot_health import examine_others, examine_publication, examine_slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cdc_triggers.core.slot_health import PublicationFacts, SlotFacts

OLDEST: Final = 14
NEWEST: Final = 18
PATIENCE_S: Final = 300.0

_POOLED_HOST: Final = re.compile(r"-pooler\.|\.pooler\.|\.proxy-[a-z0-9]+\..*\.rds\.amazonaws\.com")
_POOLED_PORTS: Final = frozenset({6432, 6543})


@dataclass(frozen=True)
class RoleFacts:
    """The role that is connected.

    Attributes:
        replication: superuser, REPLICATION, or a member of a service's role for it.
        create: CREATE on the database, or the schema cdc_triggers is its own already.
        schema_owner: whose that schema is, if it is there and not this role's; else empty.
        refusal: why a connection for replication was refused; empty if it was made.
        refused_right: that refusal was for want of a right.
        refused_pooler: that refusal was a pooler's.
    """

    name: str
    replication: bool
    create: bool
    schema_owner: str = ""
    refusal: str = ""
    refusal_hint: str = ""
    refused_right: bool = False
    refused_pooler: bool = False


@dataclass(frozen=True)
class TableFacts:
    """One table of the user's: kind as in pg_class.relkind, None if there is no such table.

    Attributes:
        trigger_right: on its partitions too.
        closed_schema: its schema as it stands in SQL, if the role may not use that; else empty.
    """

    name: str
    kind: str | None
    trigger_right: bool
    closed_schema: str = ""


@dataclass(frozen=True)
class Holder:
    """An old transaction: `who` is a pid or the name of a prepared one."""

    prepared: bool
    who: str
    age_s: float


@dataclass(frozen=True)
class Facts:
    """What there is to know. `settings` has SHOW's texts; a setting that is not there is absent.

    Attributes:
        version: as server_version_num.
        traces: which of `providers.TRACES` are there.
        same_backend: the pid that was told at connecting is the backend's own; a pooler's is not.
        wanted_slot: the slot that the stream would use, whether or not it is there.
        wanted_plugin: and its plugin.
        other_slots: that apply has made in this database, or a stream has used.
    """

    host: str
    port: int
    version: int
    database: str
    settings: Mapping[str, str]
    in_recovery: bool
    slots_used: int
    senders_used: int
    role: RoleFacts
    tables: tuple[TableFacts, ...]
    publication: PublicationFacts
    slot: SlotFacts | None
    wanted_slot: str
    wanted_plugin: str
    holders: tuple[Holder, ...] = ()
    other_slots: tuple[SlotFacts, ...] = ()
    traces: frozenset[str] = frozenset()
    same_backend: bool = True


def examine(facts: Facts) -> tuple[Finding, ...]:
    """All findings, in the order in which to mend them."""
    provider = detect(facts.host, facts.traces)
    return tuple(
        finding
        for part in (
            _server(facts, provider),
            _logical(facts, provider),
            _pooler(facts, provider),
            _rights(facts, provider),
            _tables(facts.tables, facts.role.name),
            examine_publication(facts.publication, facts.slot),
            examine_slot(facts.slot, facts.wanted_slot, facts.wanted_plugin),
            examine_others(facts.other_slots),
            _limits(facts.settings),
            _holders(facts.holders),
        )
        for finding in part
    )


def blocked(findings: Iterable[Finding]) -> bool:
    """True if something must be mended first."""
    return any(finding.level is Level.BLOCKER for finding in findings)


def _server(facts: Facts, provider: Provider) -> Iterator[Finding]:
    yield ok("provider", f"{provider.name}: {provider.note}")
    major = facts.version // 10000
    version = f"PostgreSQL {major}.{facts.version % 10000}"
    if major < OLDEST:
        fix = f"upgrade to PostgreSQL {OLDEST} or later"
        yield blocker("server version", f"{version} is too old", fix)
    elif major > NEWEST:
        detail = f"{version} is newer than what this version was tested with ({OLDEST} to {NEWEST})"
        yield warning("server version", detail, "try it on a copy first, or upgrade cdc-triggers")
    else:
        yield ok("server version", version)
    if facts.settings.get("server_encoding") == "SQL_ASCII":
        detail = "SQL_ASCII: a captured value that is not UTF-8 stops the stream, and WAL is kept"
        fix = "move to a database with ENCODING 'UTF8', or have nobody write anything but UTF-8"
        yield warning("encoding", detail, fix)
    if facts.in_recovery:
        yield blocker("primary", "this server is a standby", "connect to the primary")


def _logical(facts: Facts, provider: Provider) -> Iterator[Finding]:
    level = facts.settings.get("wal_level", "unknown")
    if level == "logical":
        yield ok("wal_level", level)
    else:
        yield blocker("wal_level", f"{level}: it must be logical", provider.logical)
    yield from _plugin(facts.settings.get("output_plugin_libraries"), facts.wanted_plugin)
    slots = int(facts.settings.get("max_replication_slots", "0"))
    senders = int(facts.settings.get("max_wal_senders", "0"))
    yield _free("replication slots", "max_replication_slots", slots, facts.slots_used, facts.slot)
    reading = facts.slot if facts.slot and facts.slot.active_pid else None
    yield _free("WAL senders", "max_wal_senders", senders, facts.senders_used, reading)


def _plugin(trusted: str | None, wanted: str) -> Iterator[Finding]:
    """Whether slots may have this output plugin; minor releases since 2026 have a list of them."""
    if trusted is None or wanted in re.findall(r"[^\s,\"']+", trusted):
        return
    detail = f"output_plugin_libraries is {trusted}: {wanted} is not in it"
    names = f"{trusted}, {wanted}" if trusted else wanted
    fix = f"ALTER SYSTEM SET output_plugin_libraries = {names}; SELECT pg_reload_conf()"
    yield blocker("output plugin", detail, fix)


def _free(what: str, setting: str, limit: int, used: int, ours: SlotFacts | None) -> Finding:
    """None has to be free if ours is among those in use."""
    detail = f"{used} of {limit} in use ({setting})"
    raise_it = f"raise {setting} and restart the server, or remove what is not needed any more"
    if used < limit or ours is not None:
        return ok(what, detail)
    return blocker(what, detail, raise_it)


def _pooler(facts: Facts, provider: Provider) -> Iterator[Finding]:
    fix = "connect to PostgreSQL itself" + ("" if provider.host is None else f": {provider.note}")
    if facts.role.refused_pooler:
        detail = f"a pooler is in the way: {facts.role.refusal}"
        yield blocker("pooler", detail, fix)
    elif not facts.same_backend:
        detail = "a pooler is in the way; it lets replication through, but not session state"
        yield warning("pooler", detail, fix)
    elif _POOLED_HOST.search(facts.host) or facts.port in _POOLED_PORTS:
        detail = f"{facts.host}:{facts.port} looks like a pooler's address"
        yield warning("pooler", detail, fix)
    else:
        yield ok("pooler", "none in the way")


def _rights(facts: Facts, provider: Provider) -> Iterator[Finding]:
    role = facts.role
    grant = provider.replication.format(role=quoted(role.name))
    if role.refused_right or (role.refusal and not role.replication and not role.refused_pooler):
        yield blocker("replication right", f"role {role.name} may not replicate", grant)
    elif role.refusal and not role.refused_pooler:
        yield blocker("replication connection", role.refusal, role.refusal_hint)
    elif not role.refusal:
        yield ok("replication right", f"role {role.name} may replicate")
    if role.schema_owner:
        owner = quoted(role.schema_owner)
        detail = f"it belongs to role {role.schema_owner}, and role {role.name} has not its rights"
        fix = f"connect as {owner}, or as {owner}: GRANT {owner} TO {quoted(role.name)}"
        yield blocker("schema cdc_triggers", detail, fix)
    elif role.create:
        yield ok("create right", f"role {role.name} may create the schema cdc_triggers")
    else:
        fix = f"GRANT CREATE ON DATABASE {quoted(facts.database)} TO {quoted(role.name)}"
        detail = f"role {role.name} may not create a schema in this database"
        yield blocker("create right", detail, fix)
    if facts.settings.get("default_transaction_read_only") == "on":
        detail = f"default_transaction_read_only is on: role {role.name} can write nothing"
        fix = f"ALTER ROLE {quoted(role.name)} SET default_transaction_read_only = off"
        yield blocker("read-only transactions", detail, fix)


def _tables(tables: Iterable[TableFacts], role: str) -> Iterator[Finding]:
    for table in tables:
        what = f"table {table.name}"
        if table.kind is None:
            yield blocker(what, "there is no such table", "check schema and name")
        elif table.kind not in {"r", "p"}:
            yield blocker(what, "it is not a table of rows (a view, or foreign)", "name its table")
        elif table.closed_schema:
            fix = f"GRANT USAGE ON SCHEMA {table.closed_schema} TO {quoted(role)}"
            yield blocker(what, f"role {role} may not use schema {table.closed_schema}", fix)
        elif not table.trigger_right:
            more = ", and on its partitions" if table.kind == "p" else ""
            fix = f"GRANT TRIGGER ON {table.name} TO {quoted(role)}{more}"
            yield blocker(what, f"role {role} may not put a trigger on it", fix)
        else:
            yield ok(what, f"role {role} may put a trigger on it")


def _limits(settings: Mapping[str, str]) -> Iterator[Finding]:
    keep = settings.get("max_slot_wal_keep_size")
    if keep == "-1":
        detail = "no limit: while no stream runs, WAL is kept until the disk is full"
        fix = (
            "set it to what the disk can spare (a slot that needs more is lost), and watch `status`"
        )
        yield warning("max_slot_wal_keep_size", detail, fix)
    elif keep is not None:
        yield ok("max_slot_wal_keep_size", f"{keep}: a slot that needs more WAL is lost")
    idle = settings.get("idle_replication_slot_timeout", "0")
    if idle != "0":
        detail = f"{idle}: a slot that no stream reads for so long is lost"
        fix = "set it to 0, or to more than the longest time that the stream may be down"
        yield warning("idle_replication_slot_timeout", detail, fix)
    commit = settings.get("synchronous_commit", "on")
    if commit == "off":
        detail = "off: the slot sees a commit only at the next WAL flush, up to 200 ms later"
        fix = "leave it on, or lower wal_writer_delay, if latency counts"
        yield warning("synchronous_commit", detail, fix)
    else:
        yield ok("synchronous_commit", commit)


def _holders(holders: Iterable[Holder]) -> Iterator[Finding]:
    old = [holder for holder in holders if holder.age_s >= PATIENCE_S]
    for holder in old:
        kind = "prepared transaction" if holder.prepared else "transaction of pid"
        detail = (
            f"{kind} {holder.who} is open for {holder.age_s / 60:.0f} minutes: it holds the slot"
        )
        by_pid = f"end it: SELECT pg_terminate_backend({holder.who})"
        prepared = f"end it: COMMIT PREPARED or ROLLBACK PREPARED {_literal(holder.who)}"
        yield warning("old transactions", detail, prepared if holder.prepared else by_pid)
    if not old:
        yield ok("old transactions", f"none is older than {PATIENCE_S / 60:.0f} minutes")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
