"""A physical standby of a test's server, and the failover to it on the same port."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import psycopg2

from cdc_triggers.postgres import embedded
from cdc_triggers.postgres.embedded import EmbeddedServer

if TYPE_CHECKING:
    from support.databases import Database

_SETTINGS = {"hot_standby_feedback": "on"}
_SYNCING = {"sync_replication_slots": "on"}


class Replica:
    """Follows the database's server; from then on a commit there waits until it has it.

    It copies the server's failover slots too (PostgreSQL 17 and up).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._server = database.server
        primary = self._server.instance
        folder = self._server.folder / "replica"
        folder.mkdir(mode=0o700)
        if primary.os_user is not None:
            shutil.chown(folder, primary.os_user)
        options = ("-R", "-C", "-S", "replica", "-X", "stream", "-c", "fast")
        embedded.run_program(
            primary.bin_dir / "pg_basebackup",
            (*options, "-D", str(folder), "-d", primary.dsn),
            primary.os_user,
        )
        syncing = _SYNCING if self._server.version >= 17 else {}
        settings = {**primary.settings, **_SETTINGS, **syncing}
        self.instance = EmbeddedServer(primary.bin_dir, folder, primary.os_user, settings)
        self.instance.write_settings(settings)
        self.instance.start()
        database.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        database.execute("SELECT pg_reload_conf()")

    def execute(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Ask the replica itself."""
        dsn = self.instance.dsn_of(self._database.name)
        connection = psycopg2.connect(dsn, application_name="test")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, args or None)
                return cursor.fetchall()
        finally:
            connection.close()

    def promote(self) -> None:
        """The primary dies at once; the replica takes its port, and its place in `Server`."""
        port = self._server.port
        self._server.stop("immediate")
        self.instance.stop()
        self.instance.port = port
        self.instance.start()
        self._server.instance = self.instance
        embedded.run_program(
            self.instance.bin_dir / "pg_ctl",
            ("-w", "-D", str(self.instance.data_dir), "promote"),
            self.instance.os_user,
        )

    def destroy(self) -> None:
        """Stop it; its folder is the server's."""
        self.instance.stop("immediate")
