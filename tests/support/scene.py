"""A stream under load, watched, for one fault: what most fault tests begin and end with."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import pytest

from support.databases import create
from support.servers import MissingError, missing
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Mode, Verdict, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from cdc_triggers.http.receiver import Reply
    from support.databases import Database
    from support.load import Load
    from support.servers import Server

PATIENT = {"num_retries": 10_000, "interval_sec": 1, "jitter": False}
"""Enough attempts for any fault."""

modes = pytest.mark.parametrize(
    "mode",
    [
        Mode(),
        *(
            pytest.param(Mode(ordering, plugin), marks=pytest.mark.whole)
            for ordering, plugin in product(("key", "none", "total"), ("pgoutput", "wal2json"))
            if (ordering, plugin) != ("key", "pgoutput")
        ),
    ],
    ids=str,
)
"""The usual mode, and with --whole all six."""

UNRECORDED = 64 + 2 * 1_000
"""What one cut of the SQL connection or one crash may repeat: what is in flight, attempts that
gathered and were not recorded yet, and those that ended meanwhile (app/tenure.py)."""


def private(make_server: Callable[..., Server], mode: Mode, **settings: str) -> Database:
    """A database on a server of its own that has the mode's plugin."""
    server = make_server("18" if mode.plugin == "pgoutput" else "system", **settings)
    if mode.plugin == "wal2json" and not server.has_wal2json:
        raise missing(MissingError(f"no wal2json: install postgresql-{server.version}-wal2json"))
    return create(server)


class Scene:
    """Load, endpoint, trigger `counted`, stream and witness of one run; leave it and all ends.

    Args:
        load: the writer; made before, as it makes the table.
        options: of `cdc-triggers stream`.
        dsn: what the stream connects to, if not to the server itself.
        stream: one that is special, not started; then options and dsn are its own affair.
        decide: the endpoint's answers.
    """

    def __init__(
        self,
        database: Database,
        mode: Mode,
        load: Load,
        *,
        options: Sequence[str] = (),
        dsn: str | None = None,
        stream: StreamProcess | None = None,
        decide: Callable[[dict[str, Any], int], Reply] | None = None,
    ) -> None:
        self.database = database
        self.mode = mode
        self.load = load
        self.endpoint = Endpoint(decide)
        self.stream = stream or StreamProcess(database, "--plugin", mode.plugin, *options, dsn=dsn)
        self._witness = Witness(database, [self.endpoint], self.stream)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.endpoint)
            spec = trigger(
                "counted",
                "counter",
                self.endpoint.url,
                ordering=self.mode.ordering,
                retry_conf=PATIENT,
            )
            apply(self.database, spec, plugin=self.mode.plugin)
            stack.enter_context(self._witness)
            stack.enter_context(self.stream)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.load.stop()
            error.add_note(f"{len(self.endpoint.bodies)} came. The stream says:")
            error.add_note(self.stream.log[-4_000:])
        self._stack.close()

    def arrive(self, more: int = 200, timeout_s: float = 60) -> None:
        """Until so many more requests than now have come to the endpoint."""
        enough = len(self.endpoint.bodies) + more
        wait_until(lambda: len(self.endpoint.bodies) >= enough, timeout_s, f"{more} more arrive")

    def settle(self, timeout_s: float = 90) -> None:
        """Until the load is written, the stream is ready, and all is delivered and confirmed."""
        self.load.join()
        self.stream.wait_ready(60)
        wait_settled(self.database, timeout_s)

    def verdict(self) -> Verdict:
        """What the witness saw; ask after the end."""
        return self._witness.verdict(ordering=self.mode.ordering)
