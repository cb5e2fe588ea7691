"""Connections to PostgreSQL: how they are opened, and what the driver's errors mean.

Every other module of this package gets its connections here, and turns the driver's errors into
this project's with `translated`, or `translate` where it tells some of them apart.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2 import extensions
from psycopg2.extras import LogicalReplicationConnection

from cdc_triggers.errors import (
    CdcTriggersError,
    ConnectionLostError,
    DatabaseError,
    UsageError,
)
from cdc_triggers.postgres.queries import query
from cdc_triggers.postgres.remedies import BROKEN, RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A peer that vanished is noticed after at most 10 + 3 * 5 s when idle, 20 s when data is under way.
# What the connection string says wins.
_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connect_timeout": "10",
        "keepalives": "1",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }
)

# Whatever the role or the database sets. Else a function that somebody else has put into `public`
# runs in place of PostgreSQL's own, with our rights, if its arguments fit better; and a transaction
# that waited for a lock does not see what it waited for. `options` of the caller win.
_PINNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "search_path": "pg_catalog, pg_temp",
        "default_transaction_isolation": "read committed",
    }
)

# The walsender formats values with its session's settings, and those can be changed per role or
# database: pinned, so that what is decoded is the same everywhere.
_REPLICATION_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
        "extra_float_digits": "1",
        "bytea_output": "hex",
    }
)

_MISREAD: Final = re.compile(r"[^,]@")
"""In a host: a socket in the abstract namespace begins with it."""

_PORTS: Final = re.compile(r"[\d,\s]*")

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_URI_PASSWORD: Final = re.compile(r"^(\s*\w+://[^:@/?]*):.*@", re.DOTALL)
_URI_PARAMETER: Final = re.compile(r"([?&](?:\w*password|\w*secret)=)[^&\s]*", re.IGNORECASE)
_KEYWORD: Final = re.compile(
    r"(\b(?:\w*password|\w*secret)\s*=\s*)('(?:\\.|[^'\\])*'?|(?:\\.|\S)+)",
    re.IGNORECASE | re.DOTALL,
)


def connect(
    dsn: str, *, application_name: str, options: Mapping[str, str] = _NONE
) -> extensions.connection:
    """Open an autocommit connection for SQL, in UTF-8.

    Args:
        dsn: a libpq URI or keyword string; empty: libpq's own PG* variables and files.
        application_name: what pg_stat_activity shows.
        options: settings of the session, by name. They are set after connecting and not at startup:
            so PGOPTIONS keeps working, and a pooler does not refuse them.

    Raises:
        UsageError: the connection string makes no sense.
        ConnectionLostError: the server is not reachable now, or has no connection left.
        DatabaseError: the server refused for good; the remedy is in the hint.
    """
    try:
        parameters = _parameters(dsn, application_name)
        connection: extensions.connection = psycopg2.connect(dsn, **parameters)
    except psycopg2.Error as error:
        raise _refusal(error) from error
    connection.autocommit = True
    _configure(connection, {**_PINNED, **options})
    return connection


def connect_replication(
    dsn: str, *, application_name: str = "cdc-triggers stream"
) -> LogicalReplicationConnection:
    """Open a connection that can stream from a logical slot; it also takes plain SQL.

    Raises:
        UsageError: the connection string makes no sense.
        BlockedError: a pooler in the way, or no right to replicate.
        ConnectionLostError: the server is not reachable now, or has no WAL sender left.
        DatabaseError: the server refused for good; the remedy is in the hint.
    """
    try:
        parameters = _parameters(dsn, application_name)
        connection: LogicalReplicationConnection = psycopg2.connect(
            dsn, connection_factory=LogicalReplicationConnection, **parameters
        )
    except psycopg2.Error as error:
        raise _refusal(error) from error
    _configure(connection, {**_PINNED, **_REPLICATION_SETTINGS})
    lift_limits(connection)  # a transaction is decoded in one, for as long as the stream takes
    return connection


def lift_limits(connection: extensions.connection) -> None:
    """Have what is done on it take as long as it takes; closes it if that fails.

    Raises:
        DatabaseError: PostgreSQL refused or failed.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(query("unlimited"))
    except psycopg2.Error as error:
        connection.close()
        raise translate(error) from error


def translate(error: psycopg2.Error) -> CdcTriggersError:
    """What the driver's error means here, and what to do next. Raise it `from` the error."""
    message = _text(error)
    code = error.pgcode or ""
    for rule in RULES:
        found = rule.text.search(message)
        if found and (not code or code.startswith(rule.sqlstate)) and (code or rule.at_connect):
            return _from_rule(rule, message, found)
    if isinstance(error, psycopg2.InterfaceError):
        return _from_rule(BROKEN, message, None)
    if isinstance(error, psycopg2.ProgrammingError) and "invalid dsn" in message:
        # The rest of that message quotes the string, and with it perhaps the password.
        return UsageError(
            "the connection string is not valid",
            hint="write postgresql://user@host:5432/database, or: host=... dbname=... user=...",
        )
    return DatabaseError(f"PostgreSQL: {message}", hint=f"SQLSTATE {code}" if code else "")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The driver's errors inside come out as ours.

    Raises:
        CdcTriggersError: see `translate`.
    """
    try:
        yield
    except psycopg2.Error as error:
        raise translate(error) from error


def hang_up(connection: extensions.connection) -> None:
    """Cut a connection; from any thread, also under a call that waits for an answer."""
    if connection.closed or connection.fileno() < 0:
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)  # unlike close, it wakes a thread that waits


def redact(dsn: str) -> str:
    """The connection string without its passwords; rather too much hidden than too little."""
    if "://" not in dsn:
        return _KEYWORD.sub(r"\1***", dsn)
    return _URI_PARAMETER.sub(r"\1***", _URI_PASSWORD.sub(r"\1:***@", dsn))


def _refusal(error: psycopg2.Error) -> CdcTriggersError:
    """Why there is no connection. Of descriptors used up libpq says nothing, or what is wrong."""
    try:
        socket.socket().close()
    except OSError as lack:
        if lack.errno in {errno.EMFILE, errno.ENFILE}:
            return ConnectionLostError(
                "no file descriptor is left for a connection to PostgreSQL",
                hint="raise the limit: ulimit -n, LimitNOFILE= in systemd",
            )
    return translate(error)


def _parameters(dsn: str, application_name: str) -> dict[str, Any]:
    """What goes with the connection string: the defaults that it leaves open.

    Raises:
        UsageError: a part of a password has become host or port.
    """
    given = extensions.parse_dsn(dsn) if dsn else {}
    if _MISREAD.search(given.get("host", "")) or not _PORTS.fullmatch(given.get("port", "")):
        # libpq's error would quote the rest of the password.
        raise UsageError(
            "the connection string is not valid: its host or port makes no sense",
            hint="in a password write %40 for @ and %2F for /",
        )
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in given}
    return {**defaults, "application_name": application_name, "client_encoding": "UTF8"}


def _configure(connection: extensions.connection, options: Mapping[str, str]) -> None:
    set_one = "pg_catalog.set_config(%s, %s, false)"
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join([set_one] * len(options))}", [*chain(*options.items())]
            )
    except psycopg2.Error as error:
        connection.close()
        raise translate(error) from error


def _from_rule(rule: Rule, message: str, found: re.Match[str] | None) -> CdcTriggersError:
    """The hint's {} is what the text pattern's group caught."""
    caught = found.group(1) if found and found.re.groups and found.group(1) else ""
    return rule.kind(f"PostgreSQL: {message}", hint=rule.hint.replace("{}", caught))


def _text(error: psycopg2.Error) -> str:
    """The driver's message as one line: the server's severity, its detail, no SQL excerpt."""
    diagnostics = error.diag
    if diagnostics is not None and diagnostics.message_primary:
        detail = diagnostics.message_detail
        return diagnostics.message_primary + (f" ({detail})" if detail else "")
    return " ".join(str(error).split()) or type(error).__name__
