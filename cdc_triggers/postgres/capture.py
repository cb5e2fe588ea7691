"""Puts triggers into a database and takes them out again: plan, apply, uninstall.

Apply is three transactions, because PostgreSQL wants it so. One makes schema, functions and
publication, if they are not there. One makes the slot: it must come after the publication, must not
have written before, and must be over before the specs commit, or an event could be missed. The
third is the apply that users mean: all specs and all capture triggers, or nothing.
"""

from __future__ import annotations

import json
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import psycopg2
from psycopg2 import errors, sql

from cdc_triggers.core.catalog import Kind
from cdc_triggers.core.plan import NEW_TABLE, Change, Plan, Statement, make_plan, numbered
from cdc_triggers.errors import DatabaseError, TriggerFileError
from cdc_triggers.postgres import retention as retaining
from cdc_triggers.postgres.capture_sql import (
    Rendered,
    checksum,
    create_trigger,
    drop_trigger,
    functions_sql,
    installation_sql,
    silence_hasura,
)
from cdc_triggers.postgres.catalog import read_catalog
from cdc_triggers.postgres.connect import translated
from cdc_triggers.postgres.identity import LOCK, identities
from cdc_triggers.postgres.locking import TableLocks, set_timeout, shortest_ms, turn
from cdc_triggers.postgres.migrations import migrate, pending
from cdc_triggers.postgres.queries import query
from cdc_triggers.postgres.slot import WAITING, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from psycopg2 import extensions

    from cdc_triggers.core.cleanup import Retention
    from cdc_triggers.core.plan import TablePlan, TriggerChange
    from cdc_triggers.core.spec import Trigger

PUBLICATION: Final = "cdc_triggers"
SLOT: Final = "cdc_triggers"

_LOCK_TIMEOUT_MS: Final = 3000
_TRIES: Final = 6
_FIRST_PAUSE_S: Final = 0.25

_T = TypeVar("_T")


class _SwappedError(DatabaseError):
    """The statements named a table, and in the end it was not the one that was planned for."""


class Result(NamedTuple):
    """What apply did.

    Attributes:
        plan: as it was carried out; it may differ from one made earlier.
        slot_created: False: the slot was there.
    """

    plan: Plan
    slot_created: bool


class Installer:
    """Plans and applies on one autocommit connection, which it does not close.

    Args:
        pause: waits before the next try when a lock was not to be had.
    """

    def __init__(
        self,
        connection: extensions.connection,
        *,
        slot: str = SLOT,
        plugin: str = "pgoutput",
        lock_timeout_ms: int = _LOCK_TIMEOUT_MS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._slot = Slot(connection, slot, plugin)
        self._lock_timeout_ms = lock_timeout_ms
        self._pause = pause

    def plan(
        self,
        triggers: Sequence[Trigger],
        sources: Mapping[str, str],
        *,
        replace_hasura: bool = False,
        retention: Retention | None = None,
    ) -> Plan:
        """What apply would do; writes nothing and takes no lock.

        Args:
            triggers: all that are wanted.
            sources: `file:line` of each trigger by its name, for the messages.
            replace_hasura: turn off what Hasura captures for triggers of the same names.
            retention: how long things are kept; None: as it is.

        Raises:
            SlotError: the slot is of another database or plugin.
            DatabaseError: the schema is of a newer version; the database can not be read.
        """
        with translated(), self._connection.cursor() as cursor:
            catalog = read_catalog(self._connection, triggers)
            plan = make_plan(triggers, sources, catalog, replace_hasura=replace_hasura)
            if plan.problems:
                return plan
            statements = [
                *self._ground(cursor),
                *retaining.statements(cursor, retention),
                *_statements(cursor, plan),
            ]
            return plan._replace(statements=tuple(statements), retention=retention)

    def apply(self, plan: Plan) -> Result:
        """Carry a plan out; if locks are in the way, again, a bounded number of times.

        It plans anew under a lock, so a plan that is out of date does no harm.

        Raises:
            TriggerFileError: the plan has problems; nothing was changed.
            SlotError: the slot is lost, or is not ours to use.
            DatabaseError: no right, or locks were held for too long; the specs are as before.
        """
        if plan.problems:
            raise TriggerFileError(list(plan.problems))
        with translated(), turn(self._connection):
            self._slot.check()
            fresh = self._retrying(self._prepare)
            try:
                created = self._retrying(lambda: self._slot.create(self._lock_timeout_ms))
                done = self._retrying(lambda: self._write(plan))
            except BaseException:
                self._undo(fresh=fresh)
                raise
        return Result(done, created)

    def reload(self) -> None:
        """Have a running stream read specs and tables anew: a column may have another type.

        Raises:
            DatabaseError: PostgreSQL refused or failed.
        """
        with self._transaction() as cursor:
            cursor.execute(query("apply_reload"))

    def uninstall(self) -> None:
        """Remove capture, publication, slot and schema: the database is as it was before.

        Raises:
            SlotBusyError: a stream is running; nothing was changed.
            DatabaseError: no right, or locks were held for too long: run it again.
        """
        with translated(), turn(self._connection):
            self._retrying(self._uninstall)

    def _ground(self, cursor: extensions.cursor) -> Iterator[Statement]:
        """What must be there before any trigger is."""
        todo = pending(self._connection)
        if todo and todo[0].number == 1:
            text = installation_sql(todo, self._connection.server_version)
            yield Statement(text, "", "creates schema cdc_triggers with its tables and functions")
        else:
            for each in todo:
                yield Statement(each.sql, "", f"migration {each.number:04} {each.name}")
            if not self._functions_are_current(cursor):
                text = functions_sql(cursor, self._connection.server_version)
                yield Statement(text, "", "replaces the capture functions in schema cdc_triggers")
        for identity in identities(cursor, PUBLICATION):
            yield Statement(identity.as_string(cursor), LOCK)
        if not _publication_exists(cursor):
            text = _publication().as_string(self._connection)
            yield Statement(text.partition("\n")[2].strip(), "")
        self._slot.check()
        if not self._slot.exists():
            yield Statement(self._slot.as_text(), WAITING)

    def _functions_are_current(self, cursor: extensions.cursor) -> bool:
        if pending(self._connection):
            return False
        cursor.execute(query("apply_installed"))
        row = cursor.fetchone()
        version = self._connection.server_version
        return row == (checksum(functions_sql(cursor, version)),)

    def _prepare(self) -> bool:
        """Schema, functions, publication; True if the schema was not there."""
        with self._transaction() as cursor:
            new = migrate(self._connection)
            if not self._functions_are_current(cursor):
                text = functions_sql(cursor, self._connection.server_version)
                cursor.execute(query("apply_ring_partitions"))
                cursor.execute(text)
                cursor.execute(query("apply_set_installed"), {"checksum": checksum(text)})
            locks = TableLocks(cursor, self._lock_timeout_ms)
            for identity in identities(cursor, PUBLICATION):
                locks.execute(identity)
            cursor.execute(query("apply_restored"))
            if cursor.fetchone() == (True,):
                cursor.execute(query("apply_restored_log"))
                cursor.execute(query("apply_restored_owed"))
            if not _publication_exists(cursor):
                cursor.execute(_publication())
            # Before it is made: a killed apply leaves no slot that uninstall does not know.
            self._slot.record()
        return bool(new) and new[0].number == 1

    def _write(self, plan: Plan) -> Plan:
        """The specs and the capture triggers, all in one transaction; tells a running stream."""
        with self._transaction() as cursor:
            cursor.execute(query("apply_lock"))
            catalog = read_catalog(self._connection, plan.triggers)
            current = make_plan(
                plan.triggers, plan.sources, catalog, replace_hasura=plan.replace_hasura
            )
            if current.problems:
                raise TriggerFileError(list(current.problems))
            retaining.write(cursor, plan.retention)
            if not (current.changes or current.tables or current.silenced):
                return current
            # first: when its lock is there nobody is writing, so that each change is in one log
            locks = TableLocks(cursor, self._lock_timeout_ms)
            for beside in current.silenced:
                if beside.relation.kind is Kind.PARTITIONED:
                    locks.begin()
                locks.execute(silence_hasura(beside).sql)
            ids = {captured.oid: captured.id for captured in catalog.captured}
            for table in current.tables:
                ids[table.relation.oid] = _write_table(cursor, table, locks)
            for change in current.changes:
                _write_trigger(cursor, change, ids)
            cursor.execute(query("apply_release_tables"))
            cursor.execute(query("apply_reload"))
        return current

    def _uninstall(self) -> None:
        with self._transaction() as cursor:
            slots = self._slot.take_all()
            self._remove(cursor)
            self._slot.drop(slots)

    def _remove(self, cursor: extensions.cursor) -> None:
        set_timeout(cursor, shortest_ms(cursor, self._lock_timeout_ms))
        cursor.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(PUBLICATION)))
        cursor.execute("DROP SCHEMA IF EXISTS cdc_triggers CASCADE")

    def _undo(self, *, fresh: bool) -> None:
        """A first apply that failed leaves nothing behind, above all no slot that holds WAL."""
        try:
            self._slot.undo()
            if fresh:
                with self._transaction() as cursor:
                    self._remove(cursor)
            else:
                self._slot.forget()
        except (psycopg2.Error, DatabaseError):
            return  # The first error is the one to report, and uninstall removes what is left.

    @contextmanager
    def _transaction(self) -> Iterator[extensions.cursor]:
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                set_timeout(cursor, self._lock_timeout_ms)
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if not self._connection.closed:
                    cursor.execute("ROLLBACK")
                raise

    def _retrying(self, step: Callable[[], _T]) -> _T:
        """If a lock is not to be had soon, waiters are let pass before the next try."""
        with translated():
            for number in range(_TRIES - 1):
                try:
                    return step()
                except (errors.LockNotAvailable, errors.DeadlockDetected, _SwappedError):
                    self._pause(_FIRST_PAUSE_S * 2**number * random.uniform(0.5, 1.5))  # noqa: S311
            try:
                return step()
            except errors.LockNotAvailable as error:
                raise self._blocked() from error

    def _blocked(self) -> DatabaseError:
        with self._connection.cursor() as cursor:
            cursor.execute(query("apply_blockers"))
            found = [f"{who}, open for {age} s)" for who, age in cursor]
        who = "; open transactions: " + ", ".join(found) if found else ""
        return DatabaseError(
            f"other transactions were in the way {_TRIES} times{who}",
            hint="end them, or apply again when there is less traffic; nothing was changed",
        )


def _statements(cursor: extensions.cursor, plan: Plan) -> Iterator[Statement]:
    """The plan's own statements as text; the id of a table that is new is not known yet."""
    for beside in plan.silenced:
        silenced = silence_hasura(beside)
        yield Statement(silenced.sql.as_string(cursor), silenced.lock)
    for table in plan.tables:
        for rendered in _rendered(table, "N"):
            yield Statement(rendered.sql.as_string(cursor), rendered.lock)


def _rendered(table: TablePlan, table_id: str) -> Iterator[Rendered]:
    for trigger in table.drop:
        yield from drop_trigger(table.relation, trigger, table.owned)
    for trigger in numbered(table, table_id):
        yield from create_trigger(table.relation, trigger)


def _write_table(cursor: extensions.cursor, table: TablePlan, locks: TableLocks) -> int:
    """The row in captured_table and the capture triggers; the table's id."""
    table_id = table.table_id
    if table.needed:
        key = list(table.key_attnums)
        parameters = {"oid": table.relation.oid, "level": table.level, "key": key}
        cursor.execute(query("apply_capture_table"), parameters)
        (table_id,) = cursor.fetchone() or (NEW_TABLE,)
    if table.relation.kind is Kind.PARTITIONED:
        locks.begin()
    for rendered in _rendered(table, str(table_id)):
        locks.execute(rendered.sql)
    oid, schema, name, _ = table.relation
    cursor.execute(query("apply_same_table"), {"oid": oid, "schema": schema, "name": name})
    if cursor.fetchone() != (True,):
        raise _SwappedError(
            f"{table.relation} became another table while apply waited for it",
            hint="apply again when the migration that does it is over; nothing was changed",
        )
    return table_id


def _write_trigger(
    cursor: extensions.cursor, change: TriggerChange, ids: Mapping[int, int]
) -> None:
    found = change.resolved
    if found is None:
        cursor.execute(query("apply_remove_trigger"), {"id": change.id})
        return
    parameters = {
        "id": change.id,
        "name": change.name,
        "table_id": ids[found.relation.oid],
        "definition": found.spec.model_dump_json(by_alias=True, exclude_none=True),
        "ordering": list(found.ordering_attnums),
        "attnums": json.dumps(dict(found.attnums), ensure_ascii=False),
    }
    added = change.change is Change.ADDED
    cursor.execute(query("apply_add_trigger" if added else "apply_change_trigger"), parameters)
    number, revision = cursor.fetchone() or (None, None)
    cursor.execute(query("apply_add_revision"), {**parameters, "id": number, "revision": revision})


def _publication() -> sql.Composed:
    return sql.SQL(query("apply_publication")).format(sql.Identifier(PUBLICATION))


def _publication_exists(cursor: extensions.cursor) -> bool:
    cursor.execute(query("catalog_publication"), {"name": PUBLICATION})
    return cursor.fetchone() == (1,)
