"""Fixtures of the whole suite: real servers, a fresh database per test, private servers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from support import databases
from support import servers as servers_module
from support.matrix import Matrix
from support.servers import NAMES, ONLY, MissingError, Pool, Server, missing

if TYPE_CHECKING:
    from support.databases import Database

MakeServer = Callable[..., Server]
PASSED = pytest.StashKey[bool]()

# The same examples in every run, and none fails because the machine was busy.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        default="",
        help="comma separated, of 18, 16, system: run every test with a database on these",
    )

    parser.addoption(
        "--whole",
        action="store_true",
        help="the whole fault matrix, not the pick that every run of the tests has",
    )
    parser.addoption(
        "--faults-log", type=Path, help="add to this file what passing tests of the matrix saw"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `whole` are for `make faults`: elsewhere they are not even mentioned."""
    if config.getoption("--whole"):
        return
    left_out = [item for item in items if item.get_closest_marker("whole")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def matrix(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """Where a fault test notes what it saw, and how much of each it should run."""
    config = request.config
    matrix = Matrix(whole=bool(config.getoption("--whole")))
    yield matrix
    log = config.getoption("--faults-log")
    if log is not None and request.node.stash.get(PASSED, False):
        matrix.append_to(log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" not in metafunc.fixturenames:
        return
    option = str(metafunc.config.getoption("--servers"))
    marker = metafunc.definition.get_closest_marker("servers")
    names = tuple(option.split(",")) if option else marker.args if marker else ("18",)
    if ONLY:
        names = names[-1:]
    if unknown := set(names) - set(NAMES):
        raise pytest.UsageError(f"unknown servers {sorted(unknown)}: choose from {NAMES}")
    metafunc.parametrize("server", names, indirect=True, ids=[f"pg-{name}" for name in names])


@pytest.fixture(scope="session")
def server_pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.destroy()


@pytest.fixture
def server(request: pytest.FixtureRequest, server_pool: Pool) -> Server:
    """A server shared by this process's tests. Do not stop it: `own_server` is for that."""
    try:
        server = server_pool.get(request.param)
    except MissingError as error:
        raise missing(error) from error
    since = request.node.get_closest_marker("since")
    if since and server.version < since.args[0]:
        pytest.skip(f"PostgreSQL {server.version} has not what PostgreSQL {since.args[0]} brought")
    return server


@pytest.fixture
def wal2json(server: Server) -> Server:
    """The same as `server`; skips the test if that server has no wal2json."""
    if not server.has_wal2json:
        package = f"postgresql-{server.version}-wal2json"
        raise missing(MissingError(f"server {server.name} has no wal2json: install {package}"))
    return server


@pytest.fixture
def postgis(server: Server) -> Server:
    """The same as `server`; skips the test if that server has no PostGIS."""
    if not server.has_postgis:
        package = f"postgresql-{server.version}-postgis-3"
        raise missing(MissingError(f"server {server.name} has no PostGIS: install {package}"))
    return server


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    fresh = databases.create(server)
    yield fresh
    fresh.drop()


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """`make_server("18", wal_level="replica", …)`: private servers, destroyed after the test."""
    made: list[Server] = []

    def make(name: str = "18", **settings: str) -> Server:
        try:
            made.append(servers_module.create(name, settings))
        except MissingError as error:
            raise missing(error) from error
        return made[-1]

    yield make
    for each in made:
        each.destroy()


@pytest.fixture
def own_server(make_server: MakeServer) -> Server:
    """A PostgreSQL 18 that only this test uses: stop it, kill it, change it at will."""
    return make_server("18")


@pytest.fixture
def own_database(own_server: Server) -> Iterator[Database]:
    """A database of `own_server`; it goes away with the server."""
    fresh = databases.create(own_server)
    yield fresh
    for connection in fresh.connections:
        connection.close()
