"""One database of the benchmark: its tables, triggers, backlog, and copies of its slot."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2 import sql

from bench.errors import BenchError
from bench.programs import wait_until
from bench.stream import Stream
from cdc_triggers import settings
from cdc_triggers.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cdc_triggers.postgres.embedded import EmbeddedServer

ROOT: Final = Path(__file__).resolve().parents[1]
NOWHERE: Final = "http://127.0.0.1:9"
Spec = dict[str, Any]

_RELEASED_S: Final = 30.0


class Scene:
    """A database; `Rig.scene` makes it. `slot` is the one that `apply` makes: nobody reads it."""

    def __init__(self, server: EmbeddedServer, folder: Path, name: str) -> None:
        self.name = self.slot = name
        self.folder = folder
        self.log = server.log
        self.dsn = server.dsn_of(name)
        self._admin_dsn = server.dsn
        self._copies = 0
        self._connection: Any = None

    def create(self) -> None:
        """Make the database."""
        self._admin(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self._connection = connect(
            self.dsn, application_name="bench", options={"search_path": "public"}
        )

    def drop(self) -> None:
        """Drop its slots and itself."""
        if self._connection is not None:
            for (slot,) in self.rows(
                "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
            ):
                self.drop_slot(slot)
            self._connection.close()
        self._admin(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name))
        )

    def execute(self, statement: str, *values: object) -> float:
        """Run SQL; the seconds until the server had committed it."""
        with self._connection.cursor() as cursor:
            began = time.monotonic()
            cursor.execute(statement, values or None)
            return time.monotonic() - began

    def copy_in(self, statement: str, lines: Any) -> float:
        """COPY from a file object; the seconds that it took."""
        with self._connection.cursor() as cursor:
            began = time.monotonic()
            cursor.copy_expert(statement, lines)
            return time.monotonic() - began

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query returns."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def value(self, statement: str, *values: object) -> Any:
        """The one value that a query returns."""
        return self.rows(statement, *values)[0][0]

    def apply(self, *specs: Spec) -> None:
        """Apply these triggers and no others.

        Raises:
            BenchError: they were refused.
        """
        file = self.folder / f"{self.name}.yaml"
        # JSON is YAML
        file.write_text(json.dumps({"version": 1, "triggers": specs}))
        arguments = ("apply", "--yes", "--slot", self.slot, "--config", str(file))
        self.command(*arguments)

    def command(self, *arguments: str) -> None:
        """Run `cdc-triggers` to its end.

        Raises:
            BenchError: it failed.
        """
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "cdc_triggers", *arguments],
            check=False,
            cwd=ROOT,
            env=self.environment(NOWHERE),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BenchError(f"cdc-triggers {arguments[0]} failed", hint=done.stderr)

    def pass_over(self) -> None:
        """Move the slot past all until now, also past what `apply` says to the streams."""
        advance = "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())"
        self.execute(advance, self.slot)

    @contextlib.contextmanager
    def slot_copy(self, source: str = "") -> Iterator[str]:
        """A copy of a slot, with the same backlog; dropped at the end."""
        parked = self.value("SELECT coalesce(max(id), 0) FROM cdc_triggers.delivery")
        with self._slot("pg_copy_logical_replication_slot(%s, %s)", source or self.slot) as name:
            yield name
        # what a stream on it has parked at its end, the next one would send first
        self.execute("DELETE FROM cdc_triggers.delivery WHERE id > %s", parked)

    @contextlib.contextmanager
    def mark(self) -> Iterator[str]:
        """A new slot that has what is committed from now on; dropped at the end."""
        with self._slot("pg_create_logical_replication_slot(%s, %s)", "pgoutput") as name:
            yield name

    @contextlib.contextmanager
    def _slot(self, make: str, other: str) -> Iterator[str]:
        self._copies += 1
        name = f"{self.slot}_{self._copies}"
        arguments = (other, name) if "copy" in make else (name, other)
        self.execute(f"SELECT {make}", *arguments)
        try:
            yield name
        finally:
            self.drop_slot(name)
            # what a stream on it has recorded, the next one would find done
            self.execute("DELETE FROM cdc_triggers.stream WHERE slot_name = %s", name)
            self.execute("TRUNCATE cdc_triggers.attempt")

    def read_since(self, slot: str) -> float:
        """The wall clock when the process began that reads this slot; waits for one."""
        found: list[float] = []

        def active() -> bool:
            found.extend(
                float(at)
                for (at,) in self.rows(
                    "SELECT extract(epoch FROM a.backend_start) FROM pg_replication_slots s"
                    " JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = %s",
                    slot,
                )
            )
            return bool(found)

        wait_until(active, _RELEASED_S, f"slot {slot} is read")
        return found[0]

    def drop_slot(self, name: str) -> None:
        """Drop it as soon as nobody reads it."""
        drop = (
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE slot_name = %s"
        )

        def dropped() -> bool:
            with contextlib.suppress(psycopg2.errors.ObjectInUse):
                self.execute(drop, name)
                return True
            return False

        wait_until(dropped, _RELEASED_S, f"slot {name} is free")

    @contextlib.contextmanager
    def stream(
        self, url: str, slot: str, *options: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[Stream]:
        """`cdc-triggers stream` on a slot, posting to `url`; it may not be ready yet."""
        variables = {**self.environment(url), **(environment or {})}
        command = (sys.executable, "-m", "cdc_triggers", "stream", "--slot", slot, *options)
        with contextlib.closing(Stream(command, variables, self.folder / "stream.log")) as stream:
            yield stream

    def environment(self, url: str) -> dict[str, str]:
        """The caller's variables without those that lead to another database or into a proxy."""
        kept = {
            name: value
            for name, value in settings.environment().items()
            if not name.startswith(("PG", "CDC_TRIGGERS_", "OTEL_"))
            and not name.lower().endswith("_proxy")
        }
        # what is measured here is what runs there: the compiled package, if that is found first
        found = os.pathsep.join(filter(None, sys.path))
        urls = {"BENCH_URL": url, "OTHER_URL": url, "PYTHONPATH": found}
        return {**kept, **urls, "CDC_TRIGGERS_DSN": self.dsn}

    def _admin(self, statement: sql.Composed) -> None:
        connection = connect(self._admin_dsn, application_name="bench")
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)


def trigger(name: str, table: str = "orders", **keys: object) -> Spec:
    """A trigger for all inserts of a table that posts to `BENCH_URL`."""
    definition = {"insert": {"columns": "*"}}
    webhook = "{{BENCH_URL}}/" + name
    return {
        "name": name,
        "table": f"public.{table}",
        "definition": definition,
        "webhook": webhook,
        **keys,
    }


def specs(names: Sequence[str], **keys: object) -> list[Spec]:
    """Several of the same table."""
    return [{**trigger(name), **keys} for name in names]
