"""The replication slot: is it there and ours, make it, drop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2 import sql

from cdc_triggers.errors import SlotBusyError, SlotError
from cdc_triggers.postgres.queries import has_table, query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2 import extensions

WAITING: Final = "making the slot waits for open transactions that have written"

# A slot that follows a failover to a standby.
_FAILOVER_VERSION: Final = 170000


class Slot:
    """One logical slot by name, seen from an autocommit connection to its database."""

    def __init__(self, connection: extensions.connection, name: str, plugin: str) -> None:
        self.name = name
        self._connection = connection
        self._plugin = plugin
        self._made = False

    def exists(self) -> bool:
        """True if a slot of this name is there, whosever it is."""
        return bool(self._rows("catalog_slot", {"names": [self.name]}))

    def check(self) -> None:
        """Nothing, if the slot is missing, is ours and healthy, or is lost: the stream mends that.

        Raises:
            SlotError: it is of another database or plugin.
        """
        for _, plugin, database, here, *_, status in self._rows(
            "catalog_slot", {"names": [self.name]}
        ):
            if database != here:
                raise SlotError(
                    f"slot {self.name} belongs to database {database}, not to {here}",
                    hint="choose another name with --slot",
                )
            if plugin != self._plugin and status != "lost":
                raise SlotError(
                    f"slot {self.name} uses {plugin}, not {self._plugin}",
                    hint=f"pass --plugin {plugin}, or choose another name with --slot",
                )

    def create(self, lock_timeout_ms: int) -> bool:
        """Make it if it is missing; True if it was made.

        It waits for transactions that write; lock_timeout bounds that. PostgreSQL refuses it in a
        transaction that has written, so it is one of its own.
        """
        self._made = False
        if self.exists():
            return False
        failover = self._connection.server_version >= _FAILOVER_VERSION
        name = "apply_create_failover_slot" if failover else "apply_create_slot"
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [str(lock_timeout_ms)])
            # before it is: an interrupt comes when PostgreSQL has answered, and it may be there
            self._made = True
            try:
                cursor.execute(query(name), {"name": self.name, "plugin": self._plugin})
            except psycopg2.Error:
                self._made = False
                raise
            finally:
                cursor.execute("RESET lock_timeout")
            cursor.execute(query("apply_slot_made"), {"name": self.name})
        return True

    def as_text(self) -> str:
        """The statement that makes it, for people."""
        call = sql.SQL("SELECT pg_create_logical_replication_slot({}, {})")
        filled = call.format(sql.Literal(self.name), sql.Literal(self._plugin))
        return filled.as_string(self._connection)

    def record(self) -> None:
        """Note that it is ours, so that uninstall drops it even if no stream ever uses it."""
        with self._connection.cursor() as cursor:
            cursor.execute(query("apply_record_slot"), {"name": self.name})

    def forget(self) -> None:
        """Take that note back, if the slot is not there and no stream has used it."""
        with self._connection.cursor() as cursor:
            cursor.execute(query("apply_forget_slot"), {"name": self.name})

    def undo(self) -> None:
        """Drop it, if the last `create` has made it, or was interrupted and may have."""
        if self._made and self.exists():
            self.drop([self.name])
        self._made = False

    def take_all(self) -> list[str]:
        """This slot, and all others that apply has made or a stream has used here.

        No stream becomes the leader of one until the transaction ends: it would make it anew, and
        nothing would know of that one.

        Raises:
            SlotBusyError: a stream is running.
        """
        names = {self.name}
        with self._connection.cursor() as cursor:
            if has_table(cursor, "stream"):
                names.update(name for (name,) in self._rows("apply_slot_names", {}))
        leaders = self._rows("apply_take_leads", {"names": sorted(names)})
        rows = [r for r in self._rows("catalog_slot", {"names": sorted(names)}) if r[2] == r[3]]
        readers = [(name, pid) for name, *_, active, pid, _ in rows if active]
        for name, pid in (*readers, *leaders):
            who = "a stream" if pid is None else f"pid {pid}"
            raise SlotBusyError(f"slot {name} is in use by {who}", hint="stop the stream first")
        return [name for name, *_ in rows]

    def drop(self, names: Iterable[str]) -> None:
        """Drop these slots; that cannot be rolled back."""
        for name in names:
            self._rows("apply_drop_slot", {"name": name})

    def _rows(self, name: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query(name), parameters)
            return cursor.fetchall()
