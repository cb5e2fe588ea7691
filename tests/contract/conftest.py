"""Every contract suite runs its coroutines on uvloop, as the product does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import databases
from support.endpoints import on_uvloop
from support.servers import ONLY, MissingError, missing
from support.stores import Led, MemoryWorld, PostgresWorld

from cdc_triggers.http.httptools_sender import HttptoolsSender
from cdc_triggers.http.httpx_sender import HttpxSender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.sending import Make
    from support.servers import Pool
    from support.stores import World


@pytest.fixture
def run() -> Callable[..., Any]:
    return on_uvloop


@pytest.fixture(params=[HttptoolsSender, HttpxSender], ids=["httptools", "httpx"])
def make(request: pytest.FixtureRequest) -> Make:
    sender: Make = request.param
    return sender


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`world` is memory and every server; `postgres_world` only the servers."""
    option = str(metafunc.config.getoption("--servers"))
    servers = [f"pg-{name}" for name in (option.split(",") if option else ("18", "16"))]
    if ONLY:
        del servers[:-1]
    if "postgres_world" in metafunc.fixturenames:
        metafunc.parametrize("postgres_world", servers, indirect=True)
    elif "world" in metafunc.fixturenames:
        metafunc.parametrize("world", ["memory", *servers], indirect=True)


@pytest.fixture(scope="module")
def postgres_worlds(server_pool: Pool) -> Iterator[Callable[[str], PostgresWorld]]:
    """One database per server and module: making one takes longer than most tests."""
    made: dict[str, PostgresWorld] = {}

    def get(name: str) -> PostgresWorld:
        if name not in made:
            try:
                server = server_pool.get(name.removeprefix("pg-"))
            except MissingError as error:
                raise missing(error) from error
            made[name] = PostgresWorld(databases.create(server))
        made[name].reset()
        return made[name]

    yield get
    for each in made.values():
        each.reset()
        each.database.drop()


@pytest.fixture
def postgres_world(
    request: pytest.FixtureRequest, postgres_worlds: Callable[[str], PostgresWorld]
) -> PostgresWorld:
    return postgres_worlds(request.param)


@pytest.fixture
def world(request: pytest.FixtureRequest, postgres_worlds: Callable[[str], PostgresWorld]) -> World:
    return MemoryWorld() if request.param == "memory" else postgres_worlds(request.param)


@pytest.fixture
def led(world: World) -> Led:
    return Led(world)
