"""A database where a mode can run, and the total order that a mode promises."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from support import databases
from support.servers import MissingError, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.databases import Database
    from support.servers import Pool
    from support.streaming import Endpoint
    from support.witness import Mode


@contextmanager
def database_for(pool: Pool, mode: Mode) -> Iterator[Database]:
    """A fresh one on a shared server with the mode's plugin; skips the test if there is none."""
    try:
        server = pool.get("18" if mode.plugin == "pgoutput" else "system")
    except MissingError as error:
        raise missing(error) from error
    if mode.plugin == "wal2json" and not server.has_wal2json:
        package = f"postgresql-{server.version}-wal2json"
        raise missing(MissingError(f"server {server.name} has no wal2json: install {package}"))
    fresh = databases.create(server)
    yield fresh
    fresh.drop()


def breaks_of_total_order(endpoint: Endpoint, name: str, committed: Sequence[str]) -> int:
    """How often a first 2xx for the trigger came before that of an event committed earlier.

    The witness compares with the order of capture, which is another one if sessions interleave.
    """
    place = {event_id: n for n, event_id in enumerate(committed)}
    places = [place[i] for i, trigger in endpoint.answered if trigger == name and i in place]
    return sum(after < before for before, after in pairwise(places))
