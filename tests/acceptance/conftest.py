"""A stream with Hasura's API, one for all tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import databases
from support.api import Api, serving
from support.hasura_api import EVERYTHING, TABLES, decide
from support.live import NAME, Live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Pool


@pytest.fixture(scope="module")
def running(server_pool: Pool) -> Iterator[tuple[Live, Api]]:
    database = databases.create(server_pool.get("18"))
    with serving(database, TABLES, decide=decide, definition=EVERYTHING) as found:
        yield found
    database.drop()


@pytest.fixture
def live(running: tuple[Live, Api]) -> Live:
    return running[0]


@pytest.fixture
def api(running: tuple[Live, Api]) -> Iterator[Api]:
    """At the end of a test only the first trigger is there."""
    yield running[1]
    triggers = running[1].get("/api/triggers")["triggers"]
    for name in {each["name"] for each in triggers} - {NAME}:
        running[1].done("pg_delete_event_trigger", {"name": name})
