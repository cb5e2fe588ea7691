"""The table of PostgreSQL's errors: which of ours each is, and what to do about it.

When a connection cannot be made, psycopg2 gives a text but no SQLSTATE; then, and only then, the
text alone decides (`at_connect`). With a SQLSTATE it only tells causes of the same code apart.
A server that speaks another language than English then gets its own text and no remedy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cdc_triggers.errors import (
    BlockedError,
    CdcTriggersError,
    ConnectionLostError,
    DatabaseError,
    SlotBusyError,
    SlotError,
    SlotLostError,
    UsageError,
)

RETRY_HINT: Final = "it is tried again; if that goes on, look at the server's log"


class PoolerError(BlockedError):
    """A connection pooler answers where PostgreSQL itself must."""


class ReplicationRightError(BlockedError):
    """The role may not replicate."""


@dataclass(frozen=True)
class Rule:
    """One line of the table. `{}` in the hint stands for what the text's first group caught."""

    sqlstate: str
    text: re.Pattern[str]
    kind: type[CdcTriggersError]
    hint: str
    at_connect: bool = False


def _rule(
    sqlstate: str, text: str, kind: type[CdcTriggersError], hint: str, *, at_connect: bool = False
) -> Rule:
    return Rule(sqlstate, re.compile(text, re.IGNORECASE), kind, hint, at_connect)


def _refused(sqlstate: str, text: str, kind: type[CdcTriggersError], hint: str) -> Rule:
    return _rule(sqlstate, text, kind, hint, at_connect=True)


BROKEN: Final = _refused(
    "08",
    r"server closed the connection|connection (?:already|has been) closed|cursor already closed"
    r"|terminating connection|connection not open|lost synchronization|no connection to the server"
    r"|could not (?:receive|send) data|EOF detected|Connection (?:reset|timed out)|Broken pipe"
    r"|unexpected termination of replication stream|error with status PGRES_TUPLES_OK",
    ConnectionLostError,
    RETRY_HINT,
)

_POOLER: Final = (
    "a connection pooler is in the way, and poolers do not speak replication: connect to "
    "PostgreSQL itself (usually port 5432; Supabase: the direct host db.<project>.supabase.co; "
    "Neon: the host without -pooler)"
)
_GRANT_REPLICATION: Final = (
    "as an administrator: ALTER ROLE <role> REPLICATION; "
    "on Amazon RDS: GRANT rds_replication TO <role>"
)
_WAL_LEVEL: Final = (
    "ALTER SYSTEM SET wal_level = 'logical' and restart the server; "
    "`cdc-triggers doctor` says how a managed service does it"
)
_SLOT_LOST: Final = (
    "the slot cannot be read any more, the WAL it needs is gone: `cdc-triggers stream` makes it "
    "anew, and sends what it still owed from cdc_triggers.event_log"
)

_NOT_APPLIED: Final = (
    "cdc-triggers is not installed in this database: run `cdc-triggers apply`, "
    "or check that --dsn names the right database"
)

# The first match counts, so the narrow ones stand before the wide ones.
RULES: Final[tuple[Rule, ...]] = (
    # A pooler, or a right that replication needs.
    _refused("08P01", r"unsupported startup parameter.*replication", PoolerError, _POOLER),
    _refused(
        "",
        r"Tenant or user not found",
        DatabaseError,
        "Supabase's pooler does not know this user: "
        "write user.project as the pooler wants it, or connect to db.<project>.supabase.co",
    ),
    _refused(
        "42501",
        r"start WAL ?sender|use replication slots",
        ReplicationRightError,
        _GRANT_REPLICATION,
    ),
    _refused(
        "28000",
        r"no pg_hba\.conf entry for replication",
        DatabaseError,
        "add a line for this role, host and database to pg_hba.conf, and reload the server",
    ),
    _refused(
        "53300",
        r"max_wal_senders",
        ConnectionLostError,
        "all WAL senders are taken: raise max_wal_senders and restart the server, or stop another "
        "consumer (see pg_stat_replication)",
    ),
    # The connection is refused for a reason that stays until somebody acts.
    _refused(
        "28P01",
        r"password authentication failed|no password supplied|SCRAM",
        DatabaseError,
        "check the password: in the connection string, in PGPASSWORD or in ~/.pgpass",
    ),
    _refused(
        "28000",
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        DatabaseError,
        "add a line for this role, host and database to pg_hba.conf and reload the server; if the "
        'message says "no encryption", try sslmode=require',
    ),
    _refused(
        "28000",
        r"role \"?(.*?)\"? does not exist",
        DatabaseError,
        "there is no role {}: check the user's name, or create it",
    ),
    _refused(
        "3D000",
        r"database \"?(.*?)\"? does not exist",
        DatabaseError,
        "there is no database {}: check its name; psql -l lists them",
    ),
    _refused(
        "08",
        r"server does not support SSL",
        DatabaseError,
        "the server has no SSL: set sslmode=prefer or sslmode=disable, if the network allows that",
    ),
    _refused(
        "08",
        r"certificate verify failed|root certificate file|does not match host name"
        r"|SSL error|sslmode",
        DatabaseError,
        "check sslmode and sslrootcert: the server's certificate must be signed by that authority "
        "and be for this host name",
    ),
    # The connection is refused for now.
    _refused(
        "53300",
        r"too many clients|connection slots are reserved|too many connections",
        ConnectionLostError,
        "no connection is left: close some, or raise max_connections and restart the server",
    ),
    _refused(
        "57P03",
        r"starting up|shutting down|in recovery mode|not yet accepting",
        ConnectionLostError,
        "the server is not ready yet; it is tried again",
    ),
    _refused(
        "08",
        r"Connection refused|No such file or directory",
        ConnectionLostError,
        "no server listens there: check host and port (--dsn, else CDC_TRIGGERS_DSN, DATABASE_URL, "
        "PGHOST), and that PostgreSQL runs",
    ),
    _refused(
        "08",
        r"could not translate host name",
        ConnectionLostError,
        "the host's name is not known: check its spelling and the name service",
    ),
    _refused(
        "08",
        r"timeout expired|timed out|No route to host|unreachable",
        ConnectionLostError,
        "the host does not answer: check its address, the firewall and the network",
    ),
    BROKEN,
    _rule("08", "", ConnectionLostError, RETRY_HINT),
    _rule("57P01", "", ConnectionLostError, "an administrator ended the connection; " + RETRY_HINT),
    _rule("57P02", "", ConnectionLostError, "the server is recovering from a crash; " + RETRY_HINT),
    _rule("57P03", "", ConnectionLostError, RETRY_HINT),
    _rule(
        "57P05", "", ConnectionLostError, "idle_session_timeout ended it: set it to 0 for this role"
    ),
    _rule("25P03", "", ConnectionLostError, RETRY_HINT),
    # Slots and logical decoding.
    _rule(
        "55006",
        r"active for PID (\d+)",
        SlotBusyError,
        "slot is in use by pid {}: stop the other consumer, or run this one as a standby",
    ),
    _rule(
        "55006",
        r"replication slot",
        SlotBusyError,
        "slot is in use: stop the other consumer, or run this one as a standby",
    ),
    _rule(
        "42704",
        r"replication slot \"(.*?)\"",
        SlotLostError,
        "there is no slot {}: `cdc-triggers apply` makes it; or name another one with --slot",
    ),
    _rule(
        "42704",
        r"publication \"(.*?)\"",
        SlotError,
        "there is no publication {}, or it was made after the slot: drop the slot, then "
        "`cdc-triggers apply` makes both in the right order",
    ),
    _rule(
        "53400",
        r"replication slots",
        SlotError,
        "all replication slots are taken: raise max_replication_slots and restart the server, or "
        "drop one that nobody reads (see pg_replication_slots)",
    ),
    _rule("55000", r"wal_level", BlockedError, _WAL_LEVEL),
    _rule(
        "55000",
        r"does not have a replica identity",
        DatabaseError,
        "a publication of yours covers the logs: run `cdc-triggers apply`, which prepares them",
    ),
    _rule(
        "55000",
        r"(?:no longer|cannot) (?:get changes|be used|access|read)|invalidated|lost",
        SlotLostError,
        _SLOT_LOST,
    ),
    _rule("58P01", r"WAL segment", SlotLostError, _SLOT_LOST),
    _rule("XX000", r"WAL segment", SlotLostError, _SLOT_LOST),
    _rule(
        "58P01",
        r"could not access file \"(?:\$libdir/)?(.*?)\"",
        SlotError,
        "the server has no output plugin {}: install it on the server, or use --plugin pgoutput",
    ),
    _rule(
        "42501",
        "",
        DatabaseError,
        "the role lacks a right: `cdc-triggers doctor` says which, and how to grant it",
    ),
    _rule(
        "22023",
        "not a valid identifier",
        UsageError,
        "write a table as in SQL: public.orders, or 'public.\"Order Items\"'",
    ),
    # A database where nothing was applied.
    _rule("42P01", r"cdc_triggers\.", DatabaseError, _NOT_APPLIED),
    _rule("3F000", r"cdc_triggers", DatabaseError, _NOT_APPLIED),
    _rule("42883", r"cdc_triggers\.", DatabaseError, _NOT_APPLIED),
    # Passing conflicts, and a server that takes no writes.
    _rule(
        "55P03", "", DatabaseError, "another session holds the lock: try again when it has ended"
    ),
    _rule("40001", "", DatabaseError, "concurrent changes: try again"),
    _rule("40P01", "", DatabaseError, "a deadlock with another session: try again"),
    _rule("57014", "", DatabaseError, "statement_timeout or an administrator cancelled it"),
    _rule(
        "25006",
        "",
        DatabaseError,
        "this server is a standby: connect to the primary; or transactions are read-only for this "
        "role: `cdc-triggers doctor` says so",
    ),
    _rule("53100", "", DatabaseError, "the server's disk is full: make room"),
)
