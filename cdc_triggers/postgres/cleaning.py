"""Clean-ups on one connection: small transactions that wait for nobody and hold up nobody.

Logs are walked in the order of their pages, so that a batch costs what it deletes, and needs no
index that every event would have to pay for.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg2 import errors, sql

from cdc_triggers.core.cleanup import Cleaner, CleanupConfig, CleanupLine, Deleted
from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.connect import hang_up, translated
from cdc_triggers.postgres.queries import has_table, query
from cdc_triggers.postgres.ring import truncate_oldest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from psycopg2.extensions import connection, cursor

    from cdc_triggers.core.cleanup import Target

SETTINGS = {
    "TimeZone": "UTC",
    # Whatever a crash takes back is deleted by the next clean-up.
    "synchronous_commit": "off",
    "lock_timeout": "2s",
    "max_parallel_workers_per_gather": "0",
    "enable_seqscan": "off",  # statistics of `delivery` are often of a time when it was empty
    "jit": "off",
}

BATCH_S = 0.01
"""What a batch shall take. With batches of 10,000 rows, 100 ms and 2 MB of WAL each, the slowest of
100 deliveries took six times as long as without a clean-up: their commits waited for that WAL."""

FIRST_ROWS = 500
LEAST_ROWS = 50
SPAN_PAGES = 1_024
"""Pages of a log that are looked through at most before others get their turn: 8 MiB."""

RING_LOCK_MS = 500
RETENTION_ROWS = 10_000
RETENTION_TIMEOUT_S = 60


class _Bounds(NamedTuple):
    """What no stream needs: committed before `safe`, and visible in all snapshots."""

    safe: str
    snapshots: list[str | None]

    @property
    def settles(self) -> bool:
        """False: nothing of the log is known to be settled."""
        return None not in self.snapshots


class _Pace:
    """How many rows the next batch takes: as many as `BATCH_S` allows, and no more than `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(most, FIRST_ROWS)

    def took(self, seconds: float) -> None:
        """Learn from a batch."""
        if seconds > BATCH_S:
            self.rows = max(min(LEAST_ROWS, self._most), self.rows // 2)
        elif seconds < BATCH_S / 2:
            self.rows = min(self._most, self.rows + self.rows // 4 + 1)


class PostgresCleaning:
    """Implements `app.cleanup.Cleaning` on an autocommit connection."""

    def __init__(self, connection: connection) -> None:
        self._connection = connection
        self._hung_up = False

    def installed(self) -> bool:
        """See `Cleaning`."""
        with self._cursor() as cur:
            return has_table(cur, "cleanup")

    def turn_rings(self) -> Sequence[str]:
        """See `Cleaning`."""
        with translated():
            return truncate_oldest(self._connection, RING_LOCK_MS)

    def cleaners(self) -> tuple[datetime, tuple[Cleaner, ...]]:
        """See `Cleaning`."""
        with self._cursor() as cur:
            cur.execute("SELECT clock_timestamp()")
            (now,) = cur.fetchone() or (None,)
            cur.execute(query("cleanup_cleaners"))
            return now, tuple(map(_cleaner, cur))

    def lock(self) -> bool:
        """See `Cleaning`."""
        with self._cursor() as cur:
            cur.execute(query("cleanup_lock"))
            if cur.fetchone() != (True,):
                return False
            cur.execute(query("cleanup_interrupted"))
            return True

    def unlock(self) -> None:
        """See `Cleaning`."""
        if not self._connection.closed:
            with self._cursor() as cur:
                cur.execute(query("cleanup_unlock"))

    def begin(self, target: Target | None, origin: str, scheduled_at: datetime | None) -> int:
        """See `Cleaning`."""
        arguments = {
            "trigger_id": target and target.trigger_id,
            "trigger_name": target and target.trigger_name,
            "origin": origin,
            "scheduled_at": scheduled_at,
        }
        with self._cursor() as cur:
            cur.execute(query("cleanup_begin"), arguments)
            (run_id,) = cur.fetchone() or (0,)
            return int(run_id)

    def note(self, run_id: int, deleted: Deleted) -> bool:
        """See `Cleaning`."""
        arguments = {"id": run_id, "events": deleted.events, "attempts": deleted.attempts}
        with self._cursor() as cur:
            cur.execute(query("cleanup_note"), arguments)
            return cur.fetchone() == (True,)

    def end(self, run_id: int, status: str, error: str | None = None) -> None:
        """See `Cleaning`."""
        with self._cursor() as cur:
            cur.execute(query("cleanup_end"), {"id": run_id, "status": status, "error": error})

    def clean(self, target: Target) -> Iterator[Deleted]:
        """See `Cleaning`."""
        bounds, pace = self._bounds(), _Pace(target.terms.batch_size)
        arguments = {**target._asdict(), **bounds._asdict(), "pace": pace}
        timeout_s = target.terms.timeout_s
        for count, seconds in self._until_none("cleanup_dead", arguments, timeout_s):
            yield Deleted(count, 0, seconds)
        if bounds.settles:
            for count, seconds in self._walk("event_log", "cleanup_log", arguments, timeout_s):
                yield Deleted(count, 0, seconds)
        if target.terms.attempts:
            for count, seconds in self._walk("attempt", "cleanup_attempts", arguments, timeout_s):
                yield Deleted(0, count, seconds)

    def count(self, target: Target) -> Deleted:
        """See `Cleaning`."""
        bounds = self._bounds()
        arguments = {**target._asdict(), **bounds._asdict(), "settles": bounds.settles}
        with self._cursor() as cur:
            arguments["attempts"] = target.terms.attempts
            cur.execute(query("cleanup_count"), arguments)
            events, attempts = cur.fetchone() or (0, 0)
            return Deleted(int(events), int(attempts))

    def retain(self) -> Iterator[Deleted]:
        """See `Cleaning`."""
        bounds = self._bounds()
        with self._cursor() as cur:
            cur.execute(query("cleanup_expired"))
            expired = cur.fetchall()
        for before, trigger_id, removed in expired:
            arguments = {
                "trigger_id": trigger_id,
                "before": before,
                **bounds._asdict(),
                "pace": _Pace(RETENTION_ROWS),
            }
            name = "cleanup_archived" if removed else "cleanup_dead"
            for count, seconds in self._until_none(name, arguments, RETENTION_TIMEOUT_S):
                yield Deleted(count, 0, seconds)
        with self._cursor() as cur:
            cur.execute(query("cleanup_forget"))

    def set_paused(self, ids: Sequence[int], *, paused: bool) -> None:
        """See `Cleaning`."""
        with self._cursor() as cur:
            cur.execute(query("cleanup_pause"), {"ids": list(ids), "paused": paused})

    def history(self, trigger: str | None, limit: int) -> Sequence[CleanupLine]:
        """See `Cleaning`."""
        with self._cursor() as cur:
            cur.execute(query("cleanup_history"), {"trigger": trigger, "limit": limit})
            return [CleanupLine(*row) for row in cur]

    @property
    def hung_up(self) -> bool:
        """See `Cleaning`."""
        return self._hung_up

    def hang_up(self) -> None:
        """See `Cleaning`."""
        self._hung_up = True
        hang_up(self._connection)

    def close(self) -> None:
        """See `Cleaning`."""
        self._connection.close()

    def _bounds(self) -> _Bounds:
        with self._cursor() as cur:
            cur.execute(query("cleanup_bounds"))
            return _Bounds(*(cur.fetchone() or ("0/0", [None])))

    def _until_none(
        self, name: str, arguments: dict[str, Any], timeout_s: int
    ) -> Iterator[tuple[int, float]]:
        """One batch after the other until there is nothing left; rows and seconds of each."""
        pace: _Pace = arguments["pace"]
        while True:
            began = time.monotonic()
            with self._batch(timeout_s) as cur:
                cur.execute(query(name), {**arguments, "limit": pace.rows})
                count = cur.rowcount
            seconds = time.monotonic() - began
            pace.took(seconds)
            yield count, seconds
            if not count:
                return

    def _walk(
        self, log: str, name: str, arguments: dict[str, Any], timeout_s: int
    ) -> Iterator[tuple[int, float]]:
        """All buckets of a log, page by page; rows and seconds of each batch."""
        with self._cursor() as cur:
            cur.execute(query("cleanup_partitions"), {"log": log})
            partitions = cur.fetchall()
        for partition, pages in partitions:
            table = sql.Identifier("cdc_triggers", partition)
            statement = sql.SQL(query(name)).format(partition=table)
            yield from self._walk_one(statement, pages, arguments, timeout_s)

    def _walk_one(
        self, statement: sql.Composed, pages: int, arguments: dict[str, Any], timeout_s: int
    ) -> Iterator[tuple[int, float]]:
        pace: _Pace = arguments["pace"]
        after, page = "(0,0)", 0
        while page < pages:
            until = min(page + SPAN_PAGES, pages)
            places = {"after": after, "until": f"({until},0)", "limit": pace.rows}
            began = time.monotonic()
            with self._batch(timeout_s) as cur:
                cur.execute(statement, {**arguments, **places})
                count, last = cur.fetchone() or (0, None)
            seconds = time.monotonic() - began
            if count < places["limit"]:
                after, page = f"({until},0)", until
            else:
                after = last
                page = int(last.lstrip("(").partition(",")[0])
                pace.took(seconds)
            yield int(count), seconds

    @contextmanager
    def _batch(self, timeout_s: int) -> Iterator[cursor]:
        with self._cursor() as cur:
            cur.execute("BEGIN")
            try:
                cur.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [str(timeout_s * 1000)]
                )
                yield cur
                cur.execute("COMMIT")
            except errors.QueryCanceled as error:
                cur.execute("ROLLBACK")
                raise _too_slow(timeout_s) from error
            except BaseException:
                if not self._connection.closed:
                    cur.execute("ROLLBACK")
                raise

    @contextmanager
    def _cursor(self) -> Iterator[cursor]:
        with translated(), self._connection.cursor() as cur:
            yield cur


def _cleaner(row: tuple[Any, ...]) -> Cleaner:
    id_, name, table_id, config, paused, since = row
    found = CleanupConfig.model_validate_json(config) if config else None
    return Cleaner(id_, name, table_id, found, paused, since)


def _too_slow(timeout_s: int) -> DatabaseError:
    return DatabaseError(
        f"a batch was not done after {timeout_s} s, or was cancelled",
        hint="make batch_size smaller, or timeout longer; the next clean-up goes on",
    )
