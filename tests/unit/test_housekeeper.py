# ruff: noqa: ARG002 - a fake has the arguments of what it stands for
"""The leader's housekeeping ends nothing but itself, and is done with when its stream is."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cdc_triggers.app.housekeeper import Housekeeper
from cdc_triggers.core.cleanup import Cleaner, CleanupConfig, Deleted, Target
from cdc_triggers.errors import ConnectionLostError, DatabaseError
from cdc_triggers.testing.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Facts:
    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        self.told.append((name, keys))


class Store:
    """A database with one trigger whose clean-up is due, and three batches of it."""

    def __init__(self, error: Exception | None = None, *, installed: bool = True) -> None:
        self.error = error
        self.there = installed
        self.old: list[str] = []
        self.unturned: Exception | None = None
        self.calls: list[Any] = []
        self.hung_up = False
        self.closed = threading.Event()
        self.working = threading.Event()
        self.held = threading.Event()
        self.held.set()

    def installed(self) -> bool:
        return self.there

    def cleaners(self) -> tuple[datetime, tuple[Cleaner, ...]]:
        config = CleanupConfig(schedule="* * * * *", clear_older_than=1)
        since = NOW - timedelta(days=1)
        return NOW, (Cleaner(1, "a", 1, config, paused=False, since=since),)

    def turn_rings(self) -> list[str]:
        if self.unturned is not None:
            raise self.unturned
        return self.old

    def lock(self) -> bool:
        return True

    def unlock(self) -> None: ...

    def begin(self, target: Target | None, origin: str, scheduled_at: datetime | None) -> int:
        self.calls.append((origin, scheduled_at))
        return 1

    def note(self, run_id: int, deleted: Deleted) -> bool:
        return True

    def end(self, run_id: int, status: str, error: str | None = None) -> None:
        self.calls.append(status)

    def clean(self, target: Target) -> Iterator[Deleted]:
        yield Deleted(5, 2)
        self.working.set()
        assert self.held.wait(10)
        if self.error is not None:
            raise self.error
        yield Deleted(3, 0)

    def count(self, target: Target) -> Deleted:
        raise NotImplementedError

    def retain(self) -> Iterator[Deleted]:
        self.calls.append("retain")
        return iter(())

    def set_paused(self, ids: Any, *, paused: bool) -> None: ...

    def history(self, trigger: str | None, limit: int) -> list[Any]:
        return []

    def hang_up(self) -> None:
        self.hung_up = True
        self.error = ConnectionLostError("cut")
        self.held.set()

    def close(self) -> None:
        self.closed.set()


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


async def turn(store: Store) -> Facts:
    """One look, and the end of the stream after it."""
    facts = Facts()
    running = asyncio.ensure_future(Housekeeper(lambda: store, ManualClock(), facts).run())
    await until(store.closed)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    return facts


def test_what_is_due_is_cleaned_then_what_is_too_old_for_all_and_it_is_told() -> None:
    store = Store()
    facts = asyncio.run(turn(store))
    assert store.calls == [("schedule", NOW), "completed", "retain"]
    ((name, keys),) = facts.told
    assert (name, keys["trigger"], keys["events"], keys["attempts"]) == ("cleanup.done", "a", 8, 2)


def test_a_clean_up_that_fails_is_told_and_noted_and_the_retention_comes_all_the_same() -> None:
    store = Store(DatabaseError("too slow"))
    facts = asyncio.run(turn(store))
    assert store.calls == [("schedule", NOW), "failed", "retain"]
    assert facts.told == [("cleanup.failed", {"trigger": "a", "error": "too slow"})]


def test_buckets_that_are_emptied_are_told() -> None:
    store = Store()
    store.old = ["event_log_3"]
    facts = asyncio.run(turn(store))
    assert facts.told[0] == ("ring.truncated", {"partition": "event_log_3"})
    assert store.calls == [("schedule", NOW), "completed", "retain"]


def test_buckets_that_cannot_be_emptied_keep_nothing_else_from_being_cleaned() -> None:
    store = Store()
    store.unturned = DatabaseError("no right")
    facts = asyncio.run(turn(store))
    assert facts.told[0] == ("cleanup.failed", {"trigger": None, "error": "no right"})
    assert store.calls == [("schedule", NOW), "completed", "retain"]


def test_a_database_of_an_older_version_is_left_alone() -> None:
    store = Store(installed=False)
    assert asyncio.run(turn(store)).told == []
    assert store.calls == []


def test_a_clean_up_that_fails_as_nobody_foresaw_is_told_without_a_value_of_a_row() -> None:
    store = Store(ValueError("a row's secret"))
    facts = asyncio.run(turn(store))
    assert store.calls == [("schedule", NOW), "retain"]
    ((name, keys),) = facts.told
    assert (name, keys["trigger"]) == ("cleanup.failed", "a")
    assert str(keys["error"]).startswith("ValueError at test_housekeeper.py:")


@pytest.mark.parametrize("error", [ConnectionLostError("no database"), OSError(5, "lost")])
def test_a_database_that_is_not_reachable_is_told_and_ends_nothing(error: Exception) -> None:
    async def scene() -> None:
        facts, asked = Facts(), threading.Event()

        def refuse() -> Store:
            asked.set()
            raise error

        running = asyncio.ensure_future(Housekeeper(refuse, ManualClock(), facts).run())
        await until(asked)
        done, _ = await asyncio.wait({running}, timeout=0.2)
        assert not done
        assert [name for name, _ in facts.told] == ["cleanup.failed"]
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(scene())


def test_the_end_of_the_stream_cuts_a_batch_off_and_leaves_its_entry_as_it_is() -> None:
    async def scene() -> None:
        store, facts = Store(), Facts()
        store.held.clear()
        running = asyncio.ensure_future(Housekeeper(lambda: store, ManualClock(), facts).run())
        await until(store.working)
        running.cancel()
        await asyncio.wait({running}, timeout=10)
        assert running.cancelled()
        assert store.hung_up
        await until(store.closed)
        assert store.calls == [("schedule", NOW)]
        assert facts.told == []

    asyncio.run(scene())
