"""The same random life in memory and in PostgreSQL: the same claims, at every step.

So what the engine's own tests find on `MemoryStore` holds for the SQL too.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest
from support.stores import MemoryWorld, batch, due, event, number_of, park

from cdc_triggers.core.memory import Share
from cdc_triggers.core.records import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stores import PostgresWorld, World

    from cdc_triggers.core.records import ParkRow
    from cdc_triggers.ports import Store

T = TypeVar("T")

KEYS = ("[1]", "[2]", "[3]")
LATER_S = (0.0, 0.0, 15_000.0, 25_000.0)
STEP_S = 10_000.0  # all claims run out, and no walk takes so long that the real time matters


class Planned(NamedTuple):
    """A delivery to park, as both worlds will be told."""

    number: int
    key: str | None
    old_key: str | None
    status: str
    delay_s: float
    held: bool
    size: int


class Side:
    """One world, its leader, and what that has claimed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store: Store = world.leader()

    def row(self, it: Planned) -> ParkRow:
        return park(
            self.world,
            it.number,
            it.key,
            event=event(self.world, it.number, new=b'"%s"' % (b"x" * it.size)),
            old_key=it.old_key,
            status=it.status,
            delay_s=it.delay_s,
            hold_s=50.0 if it.held else None,
        )

    def write(
        self, parks: list[Planned], results: list[tuple[int, str, float]]
    ) -> tuple[set[int], frozenset[tuple[int, str]]]:
        ids = {int(i.rpartition("-")[2]): k.row_id for i, k in self.world.kept().items()}
        resolutions = [Resolution(ids[n], outcome, 3, s, f"e{n}") for n, outcome, s in results]
        written = self.store.write(batch([self.row(it) for it in parks], resolutions))
        return set(written.row_ids), written.freed

    def claim(self, limit: int, share: Share) -> tuple[list[tuple[int, int]], bool]:
        rows, next_due_s = self.store.claim(1, limit, share)
        return [(number_of(row), row.tries) for row in rows], next_due_s is None

    def restart(self) -> None:
        self.world.kill(self.store)
        self.store = self.world.leader()

    def state(self) -> dict[str, tuple[object, ...]]:
        return {event_id: kept[1:] for event_id, kept in self.world.kept().items()}


class Walk:
    """Two sides that hear the same; `live` are the deliveries in flight, by number."""

    def __init__(self, seed: int, postgres: PostgresWorld) -> None:
        self.chance = random.Random(seed)
        self.memory, self.postgres = Side(MemoryWorld()), Side(postgres)
        self.sides = (self.memory, self.postgres)
        self.places: dict[int, Planned] = {}
        self.live: set[int] = set()

    def plan(self) -> Planned:
        chance = self.chance
        number = chance.randrange(1, 100_000)
        if self.places and chance.random() < 0.1:
            return self.places[chance.choice(sorted(self.places))]  # it may have a row already
        key, old = chance.choice((*KEYS, None)), chance.choice(KEYS)
        crossing = key is not None and key != old and chance.random() < 0.2
        return Planned(
            number,
            key,
            old if crossing else None,
            "dead" if chance.random() < 0.1 else "parked",
            chance.choice(LATER_S),
            held=chance.random() < 0.15,
            size=chance.choice((1, 500)),
        )

    def step(self) -> None:
        act = self.chance.choices(
            (self.park, self.claim, self.resolve, self.wait, self.restart), (5, 5, 6, 2, 0.5)
        )[0]
        self.memory.world.pass_time(0.001)  # as in PostgreSQL, no two transactions are simultaneous
        act()
        self.same(lambda side: side.state())
        self.same(lambda side: side.store.remaining(1))
        self.one_head_per_chain()

    def same(self, ask: Callable[[Side], T]) -> T:
        memory, postgres = ask(self.memory), ask(self.postgres)
        assert memory == postgres
        return memory

    def park(self) -> None:
        parks = {it.number: it for it in (self.plan() for _ in range(self.chance.randrange(1, 6)))}
        new = {n for n, it in parks.items() if n not in due(self.memory.world)}
        self.places |= {n: it for n, it in parks.items() if n in new}
        self.same(lambda side: side.write(list(parks.values()), []))
        self.live |= {n for n in new if parks[n].held and parks[n].status == "parked"}

    def claim(self) -> None:
        limit = self.chance.choice((1, 3, 8))
        share = Share(self.chance.choice((1, 1_500, 10**6)), self.chance.choice((2_200, 10**6)))
        claimed, _ = self.same(lambda side: side.claim(limit, share))
        numbers = [number for number, _ in claimed]
        assert numbers == sorted(numbers)
        self.live.update(numbers)
        self.no_gap(numbers)

    def resolve(self) -> None:
        results = [
            (
                n,
                self.chance.choice(("delivered", "dead", "retry", "release")),
                self.chance.choice(LATER_S),
            )
            for n in sorted(self.live)
            if self.chance.random() < 0.5
        ]
        parks = [self.plan()] if self.chance.random() < 0.2 else []
        if any(it.number in due(self.memory.world) for it in parks):
            parks = []
        self.places |= {it.number: it for it in parks}
        self.same(lambda side: side.write(parks, results))
        self.live -= {n for n, _, _ in results}

    def wait(self) -> None:
        for side in self.sides:
            side.world.pass_time(STEP_S)
            side.store.write(batch())

    def restart(self) -> None:
        for side in self.sides:
            side.restart()
        self.live.clear()

    def parked(self) -> list[Planned]:
        kept = self.memory.world.kept()
        numbers = (int(i.rpartition("-")[2]) for i, k in kept.items() if k.status == "parked")
        return [self.places[n] for n in sorted(numbers)]

    def one_head_per_chain(self) -> None:
        """The first of a chain has a time, and nobody else."""
        when = due(self.memory.world)
        begun: set[str] = set()
        for it in self.parked():
            chains = {it.key, it.old_key} - {None}
            assert (when[it.number] == "waits") == bool(chains & begun)
            begun |= {chain for chain in chains if chain is not None}

    def no_gap(self, numbers: list[int]) -> None:
        """Whatever is before a claimed one in its chains is claimed too."""
        for last in numbers:
            chains = {self.places[last].key, self.places[last].old_key} - {None}
            before = {
                it.number
                for it in self.parked()
                if it.number < last and chains & {it.key, it.old_key}
            }
            assert before <= self.live


@pytest.mark.parametrize("seed", range(4))
def test_memory_and_postgres_live_the_same_life(postgres_world: PostgresWorld, seed: int) -> None:
    walk = Walk(seed, postgres_world)
    for _ in range(120):
        walk.step()
