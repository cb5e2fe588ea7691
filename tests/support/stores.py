"""A store's surroundings, in memory or in PostgreSQL, and the same handles on both."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import Lsn, parse
from cdc_triggers.core.memory import Share
from cdc_triggers.core.records import AttemptRow, Batch, Lease, ParkRow, Progress, Resolution
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.store import PostgresStore
from cdc_triggers.testing import ManualClock, MemoryDatabase, MemoryStore, Slot
from support.specs import trigger
from support.stream import trigger_row
from support.waiting import wait_until

if TYPE_CHECKING:
    from cdc_triggers.core.records import Claimed
    from cdc_triggers.ports import Store
    from support.databases import Database

MANY = 1_000_000
RECEIVED, SETTLED = Lsn(30 << 32), Lsn(20 << 32)


class Kept(NamedTuple):
    """A delivery as the store keeps it; `due` is `now`, `later` or `waits` (behind its key)."""

    row_id: int
    status: str
    due: str
    claimed: bool
    tries: int
    reason: str
    last_error: str | None


class World(Protocol):
    """One database with one slot. Triggers 1 and 2 are applied.

    Attributes:
        base: the slot's confirmed LSN; events of a test begin there, unless they say otherwise.
    """

    base: Lsn

    def store(self) -> Store:
        """Another process's store, without the lease."""
        ...

    def leader(self) -> Store:
        """A store that holds the lease."""
        ...

    def cut(self, store: Store) -> None:
        """Its connection is gone, and nothing was said: the process may be alive."""
        ...

    def end_lease(self) -> None:
        """So much time passes since the last heartbeat that the lease is over."""
        ...

    def kill(self, store: Store) -> None:
        """Its process dies without a word, and its lease runs out."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let all that was written become so much older."""
        ...

    def pause(self, trigger_id: int, *, paused: bool = True) -> None:
        """As an operator does."""
        ...

    def kept(self) -> dict[str, Kept]:
        """All deliveries by event id."""
        ...

    def attempts(self) -> list[tuple[str, int, str]]:
        """Event id, number and outcome of every attempt recorded."""
        ...


class Led:
    """A world with a leader, for what needs no second process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.leader()

    def park(self, *parks: ParkRow) -> None:
        self.store.write(batch(list(parks), settled=self.world.base))


def eventually_leads(store: Store) -> Lease:
    """Take the lease of a store that was closed just now: a server notices that a moment later."""
    taken = wait_until(lambda: [d for d in [store.take_lease(10.0)] if d is not None])
    return taken[0]


class MemoryWorld:
    """Implements `World` with `MemoryStore`."""

    def __init__(self) -> None:
        self.base = Lsn(5_000)
        self.clock = ManualClock()
        self.database = MemoryDatabase(self.clock)
        self.slot = Slot()
        self.slot.confirmed = self.base
        self.database.triggers = {
            n: trigger_row(n, ordering) for n, ordering in enumerate(ORDERED, 1)
        }

    def store(self) -> MemoryStore:
        return MemoryStore(self.database, self.slot, str(uuid.uuid4()))

    def leader(self) -> MemoryStore:
        store = self.store()
        # the session of the leader before may still be ending
        wait_until(lambda: store.take_lease(10.0), what="the lease is free")
        return store

    def cut(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        if self.database.session is store._session:
            self.database.session = None

    def end_lease(self) -> None:
        self.database.heartbeat_at -= 11

    def kill(self, store: Store) -> None:
        self.cut(store)
        self.end_lease()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def pause(self, trigger_id: int, *, paused: bool = True) -> None:
        row = self.database.triggers[trigger_id]
        self.database.triggers[trigger_id] = row._replace(paused=paused)

    def kept(self) -> dict[str, Kept]:
        now = self.clock.now()
        return {
            r.event.id: Kept(
                *(r.id, r.status, "waits" if r.due_at is None else _due(r.due_at - now)),
                *(r.claimed_until is not None and r.claimed_until >= now, r.tries),
                *(r.reason, r.last_error),
            )
            for r in self.database.deliveries.values()
        }

    def attempts(self) -> list[tuple[str, int, str]]:
        return [(a.event_id, a.attempt, a.outcome) for a in self.database.attempts]


class PostgresWorld:
    """Implements `World` with `PostgresStore`; one database for many tests, emptied by `reset`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._stores: list[PostgresStore] = []
        database.execute("CREATE TABLE items (id int PRIMARY KEY, v int)")
        with closing(connect(database.dsn, application_name="test")) as connection:
            installer = Installer(connection, slot=database.slot)
            specs = [trigger(f"t-{o}", table="items", ordering=o) for o in ORDERED]
            installer.apply(installer.plan(specs, {}))
        ((confirmed,),) = database.execute(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
            database.slot,
        )
        self.base = parse(confirmed)
        self.connection = database.connect()

    def run(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, args or None)
            return [] if cursor.description is None else cursor.fetchall()

    def reset(self) -> None:
        """All stores are closed, all that they wrote is gone."""
        for store in self._stores:
            store.close()
        self._stores.clear()
        self.run("TRUNCATE cdc_triggers.delivery, cdc_triggers.attempt, cdc_triggers.stream")
        self.run("UPDATE cdc_triggers.trigger SET paused = false WHERE paused")

    def store(self, slot: str | None = None) -> PostgresStore:
        store = PostgresStore(self.database.dsn, slot or self.database.slot, str(uuid.uuid4()))
        self._stores.append(store)
        return store

    def leader(self) -> PostgresStore:
        store = self.store()
        assert store.take_lease(10.0) is not None
        return store

    def end_lease(self) -> None:
        self.run("UPDATE cdc_triggers.stream SET heartbeat_at = heartbeat_at - interval '11 s'")

    def kill(self, store: Store) -> None:
        self.cut(store)
        self.end_lease()

    def cut(self, store: Store) -> None:
        assert isinstance(store, PostgresStore)
        pid = store._connection().info.backend_pid
        self.run("SELECT pg_terminate_backend(%s, 10000)", pid)

    def pass_time(self, seconds: float) -> None:
        self.run(
            "UPDATE cdc_triggers.delivery SET due_at = due_at - %s * interval '1 second',"
            " claimed_until = claimed_until - %s * interval '1 second'",
            *(seconds, seconds),
        )
        self.run(
            "UPDATE cdc_triggers.stream SET heartbeat_at = heartbeat_at - %s * interval '1 second'",
            seconds,
        )

    def pause(self, trigger_id: int, *, paused: bool = True) -> None:
        self.run("UPDATE cdc_triggers.trigger SET paused = %s WHERE id = %s", paused, trigger_id)

    def kept(self) -> dict[str, Kept]:
        rows = self.run(
            "SELECT event_id::text, id, status, extract(epoch FROM due_at - now())::float8,"
            " coalesce(claimed_until >= now(), false), tries, reason, last_error"
            " FROM cdc_triggers.delivery"
        )
        return {
            event_id: Kept(row_id, status, "waits" if due_s is None else _due(due_s), *rest)
            for event_id, row_id, status, due_s, *rest in rows
        }

    def attempts(self) -> list[tuple[str, int, str]]:
        return [
            (event_id, attempt, outcome)
            for event_id, attempt, outcome in self.run(
                "SELECT event_id::text, attempt, outcome FROM cdc_triggers.attempt"
                " ORDER BY commit_lsn, attempt"
            )
        ]


ORDERED = ("key", "none")
"""Orderings of triggers 1 and 2."""


def _due(seconds: float) -> str:
    return "now" if seconds <= 0 else "later"


def event_id(number: int) -> str:
    return f"01900000-0000-7000-8000-{number:012d}"


def event(world: World, number: int, **fields: Any) -> Event:
    """The event at the slot's confirmed LSN plus 10 times `number`."""
    plain = Event(
        id=event_id(number),
        table_id=1,
        schema_name="public",
        table_name="items",
        op="UPDATE",
        created_at="2026-01-02T03:04:05.600000Z",
        xid=2**33 + number,
        old=None,
        new=b'{"id":%d}' % number,
        session=None,
        trace=None,
        trigger_name=None,
        commit_lsn=Lsn(world.base + 10 * number),
        position=0,
    )
    return plain._replace(**fields)


def park(world: World, number: int, key: str | None = "[1]", **fields: Any) -> ParkRow:
    """Trigger 1's delivery of event `number`, parked and due at once, unless said otherwise."""
    plain = ParkRow(
        token=number,
        trigger_id=1,
        trigger_name="t-key",
        revision=1,
        event=event(world, number),
        status="parked",
        reason="failed",
        key=key,
        old_key=None,
        tries=0,
        delay_s=0.0,
        hold_s=None,
        last_error="HTTP 500",
    )
    return plain._replace(**fields)


def attempt(world: World, number: int, outcome: str = "delivered", **fields: Any) -> AttemptRow:
    plain = AttemptRow(
        event_id=event_id(number),
        trigger_id=1,
        trigger_name="t-key",
        attempt=1,
        outcome=outcome,
        started_at=1_700_000_000.25,
        duration_ms=12.5,
        status=200,
        error=None,
        request='{"url":"http://t/"}',
        response='{"body":"a\\n\\t\\\\\\"b"}',
        commit_lsn=Lsn(world.base + 10 * number),
    )
    return plain._replace(**fields)


def batch(
    parks: list[ParkRow] | None = None,
    resolutions: list[Resolution] | None = None,
    attempts: list[AttemptRow] | None = None,
    delivered: int = 0,
    settled: Lsn = SETTLED,
) -> Batch:
    progress = Progress(RECEIVED, settled, Lsn(10), 1_700_000_000.0, None, delivered)
    return Batch(tuple(attempts or ()), tuple(parks or ()), tuple(resolutions or ()), progress)


def resolve(world: World, outcome: str, *numbers: int, delay_s: float = 0.0) -> Batch:
    """These events' rows all had this outcome, at their second attempt."""
    kept = world.kept()
    return batch(
        resolutions=[
            Resolution(kept[event_id(n)].row_id, outcome, 2, delay_s, f"{outcome} {n}")
            for n in numbers
        ],
        settled=world.base,
    )


def claim(
    store: Store,
    limit: int = 100,
    max_bytes: int = MANY,
    trigger_id: int = 1,
    *,
    max_row_bytes: int = MANY,
) -> list[int]:
    """Numbers of the events claimed."""
    rows, _ = store.claim(trigger_id, limit, Share(max_bytes, max_row_bytes))
    return [number_of(row) for row in rows]


def number_of(row: Claimed) -> int:
    return int(row.event.id.rpartition("-")[2])


def due(world: World) -> dict[int, str]:
    """When each delivery may be attempted, by event number."""
    return {int(i.rpartition("-")[2]): kept.due for i, kept in sorted(world.kept().items())}
