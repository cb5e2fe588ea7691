"""The engine under any interleaving of stream, endpoints, store, operator and crash."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support.engine_machine import ENDS, ORDERINGS, REFUSED, WAITS, EngineMachine
from support.stream import BAD, OK, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS = 19

TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def random_row(chance: random.Random) -> Row:
    old, new = chance.randint(1, 4), chance.randint(1, 4)
    return chance.choice(
        [Row("INSERT", None, new), Row("DELETE", old, None), Row("UPDATE", old, new)]
    )


def random_step(
    machine: EngineMachine, chance: random.Random, bias: Sequence[float]
) -> Callable[[], None]:
    pick, few = chance.randint(0, 99), chance.randint(1, 3)
    rows = [random_row(chance) for _ in range(chance.randint(1, 4))]
    ends = chance.choices(ENDS, k=chance.randint(0, 4))
    writes, killed = chance.random() < 0.5, chance.random() < 0.3
    size, seconds = chance.choice([1, 2_500, 1 << 20]), chance.choices(WAITS, [5, 5, 5, 5, 5, 1])[0]
    steps: dict[Callable[[], None], float] = {
        lambda: machine.commit(rows, 2 * few): 4,
        lambda: machine.read(4 * few): 3,
        machine.keepalive: 0.5,
        lambda: machine.take(few): 5,
        lambda: machine.finish(pick, chance.choice(ENDS)): 6,
        lambda: machine.time_passes(seconds): 2,
        machine.ask_write: 3,
        lambda: machine.ask_claims(size): 3,
        lambda: machine.store_works(few): 4,
        lambda: machine.hear(few): 4,
        machine.write_at_once: 2,
        machine.confirm: 1,
        lambda: machine.pause_or_resume(pick): 0.7,
        lambda: machine.drop_and_create(pick): 0.5,
        lambda: machine.redeliver(pick, few): 0.7,
        machine.standby_leaves_or_returns: 0.3,
        machine.crash: 0.4,
        lambda: machine.server_crashes(pick): 0.2,
        lambda: machine.drain(writes=writes, killed=killed, ends=ends): 0.4,
    }
    weights = [weight * factor for weight, factor in zip(steps.values(), bias, strict=True)]
    return chance.choices(list(steps), weights)[0]


@pytest.mark.parametrize("first", range(0, 1_000, 250))
def test_long_random_walks_keep_every_promise(first: int) -> None:
    """Hypothesis shrinks well, but a plain walk takes ten times as many steps a second."""
    for seed in range(first, first + 250):
        chance = random.Random(seed)
        machine = EngineMachine()
        try:
            machine.begin(
                chance.choice(ORDERINGS),
                tight=bool(seed % 2),
                last={0: BAD, 1: REFUSED}.get(seed % 10, OK),
            )
            # no two walks like the same steps: one hardly ever writes, another one hardly reads
            bias = chance.choices([0.1, 1.0, 1.0, 4.0], k=STEPS)
            for _ in range(chance.choice([30, 60, 120])):
                random_step(machine, chance, bias)()
                machine.lsns_are_in_order()
                machine.memory_is_bounded()
                machine.memory_is_counted()
            machine.everything_ends()
        finally:
            machine.patches.close()
