"""Takes over Hasura's undelivered events: rows of its log become parked deliveries here.

There they are archived. If both logs are in one database that is one transaction. If not, ours
commits first: what is cut off between the two is found again by the next run, which sees that it
has it already.
"""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2 import sql

from cdc_triggers.core import hasura_event, lsn
from cdc_triggers.core.hasura_event import LogRow
from cdc_triggers.core.views import HasuraOwed, TakenOver
from cdc_triggers.errors import DatabaseError, UsageError
from cdc_triggers.postgres.applied import applied_triggers
from cdc_triggers.postgres.copying import copy, copy_command
from cdc_triggers.postgres.granted import naming
from cdc_triggers.postgres.queries import query, value
from cdc_triggers.postgres.rows import PARK_COLUMNS, park_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg2.extensions import connection, cursor

    from cdc_triggers.core.records import ParkRow, TriggerRow

ROWS: Final = 5_000
BYTES: Final = 32 * 1024 * 1024
"""Of one transaction: a second or two, half of it with the streams' rows locked."""

WAIT_S: Final = 60.0
POLL_S: Final = 0.1

SETTINGS: Final = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "enable_seqscan": "off",
    "jit": "off",
}
"""Values are written as capture writes them. Not the time zone: Hasura's log is in the server's."""

_START: Final = ("-infinity", "0", "(0,0)")
_OPS: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MANUAL"})
_RIGHTS: Final = (
    "GRANT USAGE ON SCHEMA hdb_catalog, cdc_triggers TO <role>; "
    "GRANT SELECT, UPDATE ON hdb_catalog.event_log TO <role>; "
    "GRANT SELECT ON ALL TABLES IN SCHEMA cdc_triggers TO <role>; "
    "GRANT INSERT, UPDATE ON cdc_triggers.delivery TO <role>; "
    "GRANT UPDATE ON cdc_triggers.trigger, cdc_triggers.stream TO <role>"
)


class PostgresHasuraLog:
    """Implements `ports.HasuraLog` on two psycopg2 connections, which the caller closes.

    Args:
        ours: to the database of cdc-triggers, with SETTINGS.
        theirs: to the database of Hasura's source, with SETTINGS; perhaps the same one.
        rows: of its log in one transaction at most.
    """

    def __init__(self, ours: connection, theirs: connection, *, rows: int = ROWS) -> None:
        self._limit = rows
        self._ours = ours
        ours.autocommit = theirs.autocommit = False
        with naming(_RIGHTS):
            self.same_database = _same_database(ours, theirs)
        self._theirs = ours if self.same_database else theirs

    def installed(self) -> bool:
        """See `ports.HasuraLog`."""
        with self._transaction() as cur:
            return bool(value(cur, "admin_installed"))

    def owed(self) -> Sequence[HasuraOwed]:
        """See `ports.HasuraLog`."""
        with self._hasura() as cur:
            if not value(cur, "hasura_log_exists"):
                raise UsageError(
                    "there is no hdb_catalog.event_log in that database",
                    hint="name the database of the source, not that of Hasura's metadata",
                )
            cur.execute(query("hasura_counts"))
            return [HasuraOwed(*row) for row in cur]

    def capturing(self) -> frozenset[str]:
        """See `ports.HasuraLog`."""
        with self._hasura() as cur:
            cur.execute(query("hasura_capture"))
            return frozenset(row[0] for row in cur)

    def paused(self) -> Mapping[str, bool]:
        """See `ports.HasuraLog`."""
        return {name: row.paused for name, row in self._triggers().items()}

    def pause(self, names: Sequence[str]) -> tuple[str, ...]:
        """See `ports.HasuraLog`. Also who was paused before may have been so a moment ago."""
        with self._transaction() as cur:
            cur.execute(query("import_pause"), {"names": list(names)})
            paused = tuple(row[0] for row in cur)
            cur.execute(query("admin_signal"), {"content": "reload"})
        with self._transaction() as cur:
            place = value(cur, "import_mark")
        tries = round(WAIT_S / POLL_S)
        for _ in range(tries):
            with self._transaction() as cur:
                cur.execute(query("import_behind"), {"lsn": place})
                behind = [row[0] for row in cur]
            if not behind:
                return paused
            time.sleep(POLL_S)
        raise DatabaseError(
            f"the stream of slot {', '.join(behind)} has not got to this point in {WAIT_S:g} s",
            hint="import again when it has caught up, or stop it for the import",
        )

    def take(self, names: Sequence[str], after: tuple[str, ...] | None) -> TakenOver:
        """See `ports.HasuraLog`."""
        triggers = self._triggers()
        with self._transaction() as cur:
            cur.execute(query("store_staging"))
        with self._both() as (cur, theirs):
            rows, last = self._read(theirs, [n for n in names if n in triggers], after)
            readable = [row for row in rows if _is_readable(row)]
            cur.execute("SET LOCAL TimeZone = 'UTC'")
            place = {"place": lsn.show(hasura_event.PLACE)}
            position = int(value(cur, "import_last_position", **place))
            parks = hasura_event.parks(readable, triggers, position)
            unordered = sum(_lacks_key(park, triggers[park.trigger_name]) for park in parks)
            imported = _park(cur, parks)
            theirs.execute(query("hasura_archive"), {"ids": [row.id for row in readable]})
        known, unreadable = len(parks) - imported, len(rows) - len(readable)
        return TakenOver(imported, known, unordered, unreadable, last)

    def resume(self, names: Sequence[str]) -> None:
        """See `ports.HasuraLog`."""
        with self._transaction() as cur:
            cur.execute(query("import_resume"), {"names": list(names)})
            cur.execute(query("admin_signal"), {"content": "retry"})

    def _triggers(self) -> dict[str, TriggerRow]:
        if not self.installed():
            return {}
        with self._transaction() as cur:
            return {trigger.name: trigger for trigger in applied_triggers(cur)}

    def _read(
        self, cur: cursor, names: Sequence[str], after: tuple[str, ...] | None
    ) -> tuple[list[LogRow], tuple[str, ...] | None]:
        after_at, after_command, after_place = after or _START
        arguments = {
            "names": names,
            "after_at": after_at,
            "after_command": after_command,
            "after_place": after_place,
            "rows": self._limit,
            "bytes": BYTES,
        }
        cur.execute(query("hasura_take"), arguments)
        found = cur.fetchall()
        rows = [_log_row(row[3:]) for row in found]
        return rows, tuple(found[-1][:3]) if found else None

    @contextmanager
    def _both(self) -> Iterator[tuple[cursor, cursor]]:
        """A transaction on either side, in one if they are one; ours is committed first."""
        if self.same_database:
            with self._transaction() as cur:
                yield cur, cur
            return
        with self._hasura() as theirs, self._transaction() as cur:
            yield cur, theirs

    @contextmanager
    def _transaction(self) -> Iterator[cursor]:
        with naming(_RIGHTS), self._ours, self._ours.cursor() as cur:
            yield cur

    @contextmanager
    def _hasura(self) -> Iterator[cursor]:
        with naming(_RIGHTS), self._theirs, self._theirs.cursor() as cur:
            yield cur


def _park(cur: cursor, parks: Sequence[ParkRow]) -> int:
    """Stage, write the keys as capture would, and give every row its place in its chain."""
    if not parks:
        return 0
    copy(cur, copy_command("cdc_parking", PARK_COLUMNS, "pg_temp"), map(park_row, parks))
    for trigger_id in sorted({park.trigger_id for park in parks}):
        _write_keys(cur, trigger_id)
    # not before: a stream that can not write has to stop sending soon
    cur.execute(query("admin_lock_streams"))
    cur.execute(query("import_forget_delivered"))
    cur.execute(query("store_park"), {"holder": None})
    return cur.rowcount


def _write_keys(cur: cursor, trigger_id: int) -> None:
    types = value(cur, "import_key_types", trigger_id=trigger_id)
    if types is None:
        return
    statement = sql.SQL(query("import_keys")).format(
        key=_key("key", types), old_key=_key("old_key", types)
    )
    cur.execute("SAVEPOINT keys")
    try:
        cur.execute(statement, {"trigger_id": trigger_id})
    except psycopg2.DataError:
        # the column has another type since: then the payload's own text is all there is
        cur.execute("ROLLBACK TO SAVEPOINT keys")


def _key(column: str, types: Sequence[str]) -> sql.Composed:
    """A key, read as the types of its columns and written as JSON without white space."""
    value = sql.SQL("coalesce(to_json((p.{}::json ->> {})::{})::text, 'null')")
    # the type's name comes from format_type, which quotes it
    values = (
        value.format(sql.Identifier(column), sql.Literal(place), sql.SQL(name))
        for place, name in enumerate(types)
    )
    return sql.SQL("('[' || concat_ws(',', {}) || ']')").format(sql.SQL(", ").join(values))


def _log_row(row: Sequence[Any]) -> LogRow:
    event_id, *names, created_at, tries, delay_s, old, new, session, trace = row
    trigger, schema, table, op = names
    texts = (None if text is None else text.encode() for text in (old, new, session, trace))
    return LogRow(event_id, trigger, schema, table, op, created_at, tries, delay_s, *texts)


def _is_readable(row: LogRow) -> bool:
    try:
        uuid.UUID(row.id)
    except ValueError:
        return False
    return row.op in _OPS


def _lacks_key(park: ParkRow, trigger: TriggerRow) -> bool:
    return park.key is None and park.event.op != "MANUAL" and bool(trigger.ordering_attnums)


def _same_database(ours: connection, theirs: connection) -> bool:
    """Two connection strings may look different and lead to one database."""
    token = secrets.randbits(62)
    with ours, theirs, ours.cursor() as mine, theirs.cursor() as other:
        mine.execute(query("import_same_database_lock"), {"token": token})
        _, pid = mine.fetchone() or (None, 0)
        return bool(value(other, "import_same_database", token=token, pid=pid))
