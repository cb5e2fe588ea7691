"""The durable side of the stream: lease, specs, parked deliveries, attempts. Blocking calls.

One connection, used by one thread at a time. Every write carries the fence: a stream that was
replaced writes nothing.
"""

from __future__ import annotations

import contextlib
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.done import Done
from cdc_triggers.core.records import BatchResult, Lease, StartState
from cdc_triggers.core.trigger_state import BLOCKED_KEYS
from cdc_triggers.errors import DatabaseError, FencedError, SlotLostError
from cdc_triggers.postgres.applied import applied_triggers
from cdc_triggers.postgres.connect import connect, hang_up, lift_limits, translate
from cdc_triggers.postgres.copying import copy, copy_command, copy_lines
from cdc_triggers.postgres.holder import identity, is_dead
from cdc_triggers.postgres.queries import query, value
from cdc_triggers.postgres.recorded_slot import BY_PUBLICATION, check_slot
from cdc_triggers.postgres.rows import (
    ATTEMPT_COLUMNS,
    PARK_COLUMNS,
    attempt_lines,
    claimed_of,
    park_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from psycopg2.extensions import connection, cursor

    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.memory import Share
    from cdc_triggers.core.records import Batch, Claimed, ParkRow, Resolution, TriggerRow

CLAIM_S = 3600.0
"""A claim that its holder forgot ends by itself after this long."""

DONE_ROWS = 10_000

SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    # On this server's disk before the slot is confirmed, else a crash would leave a slot that is
    # further on than its row. What may not be lost in a failover either waits for standbys too.
    "synchronous_commit": "local",
    # `delivery` goes from empty to a million rows and back before anybody analyses it: a plan made
    # for an empty table took 5 s per batch instead of 0.2 s
    "enable_seqscan": "off",
    "jit": "off",
}

REMEMBER = 1_000
"""With so few parked deliveries left a spilling trigger goes back to its stream."""


class PostgresStore:
    """Implements `ports.Store`.

    Args:
        holder: a UUID in text, new for every process.
    """

    def __init__(self, dsn: str, slot: str, holder: str) -> None:
        self._dsn = dsn
        self._slot = slot
        self._holder = holder
        self._generation = 0
        self._cluster: int | None = None
        self._by_publication = False
        self._conn: connection | None = None

    def take_lease(self, lease_s: float) -> Lease | None:
        """See `ports.Store.take_lease`."""
        try:
            return self._take_lease(lease_s)
        except DatabaseError:
            self._disconnect()  # else its lock would keep the lease from all others
            raise

    def _take_lease(self, lease_s: float) -> Lease | None:
        with self._transaction() as cur:
            _check_rights(cur)
            if not value(cur, "store_try_lock", slot=self._slot):
                cur.execute(query("store_end_silent"), {"slot": self._slot, "lease_s": lease_s})
                return None
            mine = {"slot": self._slot, "holder": self._holder, "process": identity()}
            cur.execute(query("store_last_lease"), {**mine, "lease_s": lease_s})
            runs, process = cur.fetchone() or (False, None)
            if runs and not is_dead(process):
                # its session is gone, and it may not know yet: until its lease is over it sends
                cur.execute(query("store_unlock"), mine)
                return None
            cur.execute(query("store_take_lease"), mine)
            self._generation, step, *totals = cur.fetchone() or (0, None, 0, 0, 0)
            _set_back(cur, step)
        # not in the same transaction: until the heartbeat is committed we count as silent
        with self._transaction() as cur:
            cur.execute(query("store_staging"))
            cur.execute(query("store_heal"))
            self._cluster = (
                value(cur, "store_identify") if value(cur, "store_may_identify") else None
            )
        return Lease(*totals)

    def check_slot(self, plugin: str) -> Lsn:
        """See `ports.Store.check_slot`."""
        with self._transaction() as cur:
            return lsns.parse(check_slot(cur, self._slot, plugin, self._cluster))

    def heartbeat(self, ahead_s: float = 0.0) -> None:
        """See `ports.Store.heartbeat`."""
        with self._transaction() as cur:
            mine = {"slot": self._slot, "generation": self._generation}
            self._stay(cur, "store_heartbeat", {**mine, "ahead_s": ahead_s})

    def load_start(self, plugin: str) -> StartState:
        """See `ports.Store.load_start`."""
        with self._transaction() as cur:
            begins = check_slot(cur, self._slot, plugin, self._cluster)
            self._by_publication = plugin in BY_PUBLICATION
            mine = {"slot": self._slot, "generation": self._generation}
            cur.execute(query("store_published"), mine)
            with cur.connection.cursor("done") as rows:  # the server's: it may be a million
                rows.itersize = DONE_ROWS
                rows.execute(query("store_done"), {"begins": begins})
                done = Done((event_id, trigger_id) for event_id, trigger_id in rows)
            cur.execute("SELECT id FROM cdc_triggers.trigger")
            ids = [row[0] for row in cur]
            parked = {i: _remaining(cur, i, BLOCKED_KEYS) for i in ids}
            return StartState(
                begins=lsns.parse(begins),
                done=done,
                parked_keys={i: keys for i, (_, keys) in parked.items()},
                parked_triggers=frozenset(i for i, (some, _) in parked.items() if some),
            )

    def sees(self, xid: int) -> bool:
        """See `ports.Store.sees`."""
        with self._transaction() as cur:
            return bool(value(cur, "store_visible", xid=xid))

    def load_triggers(self) -> Sequence[TriggerRow]:
        """See `ports.Store.load_triggers`."""
        with self._transaction() as cur:
            return applied_triggers(cur)

    def write(self, batch: Batch) -> BatchResult:
        """See `ports.Store.write`."""
        with self._transaction() as cur:
            if batch.parks or any(r.outcome != "release" for r in batch.resolutions):
                cur.execute("SET LOCAL synchronous_commit = on")
            bucket = self._fence(cur, batch)
            row_ids = self._park(cur, batch.parks) if batch.parks else {}
            if batch.attempts:
                lines = attempt_lines(batch, bucket)
                copy_lines(cur, copy_command("attempt", ATTEMPT_COLUMNS), lines)
            freed = _resolve(cur, batch.resolutions)
            return BatchResult(row_ids, freed)

    def claim(
        self, trigger_id: int, limit: int, share: Share
    ) -> tuple[Sequence[Claimed], float | None]:
        """See `ports.Store.claim`."""
        with self._transaction() as cur:
            cur.execute(query("store_claim_turn"), {"trigger_id": trigger_id})
            if cur.fetchone() is None:
                return [], 1.0
            arguments = {
                "trigger_id": trigger_id,
                "limit": limit,
                "max_bytes": share.bytes,
                "max_row_bytes": share.row_bytes,
                "hold_s": CLAIM_S,
                "holder": self._holder,
            }
            cur.execute(query("store_claim"), arguments)
            claimed = [claimed_of(trigger_id, row) for row in cur]
            claimed.sort(key=lambda c: (c.event.commit_lsn, c.event.position))
            next_due = None if claimed else value(cur, "store_next_due", trigger_id=trigger_id)
            return claimed, None if next_due is None else max(0.0, next_due)

    def remaining(self, trigger_id: int) -> frozenset[str] | None:
        """See `ports.Store.remaining`."""
        with self._transaction() as cur:
            return _remaining(cur, trigger_id, REMEMBER)[1]

    def end_reader(self) -> None:
        """See `ports.Store.end_reader`."""
        with self._transaction() as cur:
            arguments = {"slot": self._slot, "generation": self._generation}
            cur.execute(query("store_end_reader"), arguments)

    def hung_up(self) -> bool:
        """See `ports.Store.hung_up`."""
        conn = self._conn
        if conn is None or conn.closed or conn.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(conn.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    def hang_up(self) -> None:
        """See `ports.Store.hang_up`."""
        if (conn := self._conn) is not None:
            hang_up(conn)

    def close(self) -> None:
        """Give up the lease and the connection; idempotent."""
        if self._conn is not None and self._generation:
            # a courtesy: the lock itself goes with the connection
            with contextlib.suppress(DatabaseError), self._transaction() as cur:
                arguments = {
                    "slot": self._slot,
                    "generation": self._generation,
                    "holder": self._holder,
                }
                cur.execute(query("store_give_up_lease"), arguments)
        self._generation = 0
        self._disconnect()

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _connection(self) -> connection:
        if self._conn is None:
            conn = connect(self._dsn, application_name="cdc-triggers stream", options=SETTINGS)
            lift_limits(conn)  # whoever waits too long loses the lease, and this connection with it
            conn.autocommit = False
            self._conn = conn
        return self._conn

    @contextmanager
    def _transaction(self) -> Iterator[cursor]:
        conn = self._connection()
        try:
            with conn, conn.cursor() as cur:
                yield cur
        except psycopg2.Error as error:
            if conn.closed:
                self._conn = None
            raise translate(error) from error

    def _fence(self, cur: cursor, batch: Batch) -> int:
        progress = batch.progress
        arguments = {
            "slot": self._slot,
            "generation": self._generation,
            "received": lsns.show(progress.received_lsn),
            "settled": lsns.show(progress.settled_lsn),
            "confirmed": lsns.show(progress.confirmed_lsn),
            "oldest": progress.oldest_unsettled_at,
            "settled_at": progress.settled_at,
            "delivered": progress.delivered,
            "cluster": self._cluster,
        }
        bucket, _, published = self._stay(cur, "store_progress", arguments)
        if not published and self._by_publication:
            raise SlotLostError(
                "publication cdc_triggers was dropped, altered or made anew: events may be missing",
                hint="run `cdc-triggers apply` if it is missing",
            )
        return int(bucket)

    def _stay(self, cur: cursor, name: str, arguments: dict[str, Any]) -> tuple[Any, ...]:
        """Stay the leader; what the query returns, and is fenced if that is nothing."""
        cur.execute(query(name), arguments)
        row = cur.fetchone()
        if row is None:
            raise _fenced(self._slot)
        _set_back(cur, row[1])
        return row

    def _park(self, cur: cursor, parks: Sequence[ParkRow]) -> dict[int, int]:
        copy(cur, copy_command("cdc_parking", PARK_COLUMNS, "pg_temp"), map(park_row, parks))
        cur.execute(query("store_park"), {"holder": self._holder})
        if all(row.hold_s is None for row in parks):
            return {}
        cur.execute(query("store_parked_ids"))
        return {int(token): int(row_id) for token, row_id in cur}


def _set_back(cur: cursor, step: timedelta | None) -> None:
    """PostgreSQL's clock was set back so far since the last heartbeat; None: it was not."""
    if step is not None:
        cur.execute(query("store_set_back"), {"step": step})


def _check_rights(cur: cursor) -> None:
    """Nothing, if the role may write: one that may not would stand by for ever.

    Raises:
        DatabaseError: what is lacking.
    """
    cur.execute(query("store_rights"))
    role, quoted, lacking, read_only = cur.fetchone() or ("", "", None, False)
    if lacking:
        raise DatabaseError(
            f"a stream writes, and role {role!r} lacks {lacking}",
            hint="run it as the role that ran `cdc-triggers apply`: `cdc-triggers doctor` says "
            "which that is",
        )
    if read_only:
        raise DatabaseError(
            "a stream writes, and transactions are read-only: default_transaction_read_only is on "
            f"for role {role!r}",
            hint=f"ALTER ROLE {quoted} SET default_transaction_read_only = off",
        )


def _fenced(slot: str) -> FencedError:
    return FencedError(
        f"another stream has taken over slot {slot!r}",
        hint="nothing to do: this one goes on as its standby",
    )


def _remaining(cur: cursor, trigger_id: int, limit: int) -> tuple[bool, frozenset[str] | None]:
    """Whether anything is parked, and the keys of it; None: more rows than the limit."""
    cur.execute(query("store_remaining"), {"trigger_id": trigger_id, "limit": limit + 1})
    rows = cur.fetchall()
    if len(rows) > limit:
        return True, None
    return bool(rows), frozenset(key for row in rows for key in row if key is not None)


def _resolve(cur: cursor, resolutions: Sequence[Resolution]) -> frozenset[tuple[int, str]]:
    """Apply resolutions; returns the chains of which nothing is left."""
    gone = [
        (row[0], key)
        for outcome in ("delivered", "dead")
        for row in _resolve_by(cur, outcome, resolutions)
        for key in row[1:]
        if key is not None
    ]
    freed: frozenset[tuple[int, str]] = frozenset()
    if gone:
        arguments = {"trigger_ids": [i for i, _ in gone], "keys": [key for _, key in gone]}
        cur.execute(query("store_promote"), arguments)
        freed = frozenset((trigger_id, key) for trigger_id, key in cur)
    # not before: one of them may be the head now, and has its own time
    _resolve_by(cur, "retry", resolutions)
    _resolve_by(cur, "release", resolutions)
    return freed


def _resolve_by(
    cur: cursor, outcome: str, resolutions: Sequence[Resolution]
) -> list[tuple[Any, ...]]:
    members = [r for r in resolutions if r.outcome == outcome]
    if not members:
        return []
    arguments = {
        "ids": [r.row_id for r in members],
        "tries": [r.tries for r in members],
        "delays": [r.delay_s for r in members],
        "errors": [r.last_error for r in members],
    }
    cur.execute(query(f"store_resolve_{outcome}"), arguments)
    return [] if cur.description is None else cur.fetchall()
