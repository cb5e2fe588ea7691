"""`python -m support.failpoint PLACE NTH stream …`: cdc-triggers that dies at a chosen place.

The command runs as always, but for one adapter that ends its own process with SIGKILL when it gets
to PLACE for the NTH time. The product knows nothing of this: `wiring` is given a subclass.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg2 import extensions

from cdc_triggers.cli import main as cli
from cdc_triggers.postgres import capture
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.cleaning import PostgresCleaning
from cdc_triggers.postgres.replication import ReplicationSource
from cdc_triggers.postgres.store import PostgresStore
from cdc_triggers.wiring import cleaning as housekeeping
from cdc_triggers.wiring import streaming

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.ports import Sender

PLACES = {
    "received": "messages were read from the slot, nothing was done with them",
    "answered": "an endpoint has answered, nobody knows yet",
    "recording": "a batch of attempts is about to be recorded",
    "recorded": "a batch of attempts is recorded, its LSN is not confirmed",
    "parking": "deliveries are parked in a transaction that is not committed",
    "truncating": "a bucket is truncated in a transaction that is not committed",
    "cleaning": "a batch of a clean-up is deleted in a transaction that is not committed",
    "took-over": "the lease is taken, nothing was done with it",
    "prepared": "apply has made schema, functions and publication, and no slot yet",
    "slot-made": "apply has made the slot, and no specs yet",
    "installing": "a transaction of apply is complete but not committed",
}


class Failpoint:
    """The end of this process: at one place, the nth time that it gets there."""

    def __init__(self, place: str, nth: int) -> None:
        assert place in PLACES, place
        self._place = place
        self._left = nth

    def reached(self, place: str) -> None:
        """Does not return if this is the place and the time."""
        if place != self._place:
            return
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class Source:
    """A source that can die. It is no subclass: the other may be compiled."""

    def __init__(self, inner: ReplicationSource, point: Failpoint) -> None:
        self._inner = inner
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, limit: int) -> Any:
        """See `ports.Source.read`."""
        found = self._inner.read(limit)
        if found:
            self._point.reached("received")
        return found


def store(point: Failpoint) -> type[PostgresStore]:
    """A store that can die."""

    class Store(PostgresStore):
        def take_lease(self, *arguments: Any, **options: Any) -> Any:
            taken = super().take_lease(*arguments, **options)
            if taken is not None:
                point.reached("took-over")
            return taken

        def write(self, batch: Any) -> Any:
            if batch.attempts:
                point.reached("recording")
            result = super().write(batch)
            if batch.attempts:
                point.reached("recorded")
            return result

        def _park(self, *arguments: Any, **options: Any) -> Any:
            parked = super()._park(*arguments, **options)
            point.reached("parking")
            return parked

    return Store


def cleaning(point: Failpoint) -> type[PostgresCleaning]:
    """A clean-up that can die."""

    class Cursor(extensions.cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - the driver's name
            super().execute(query, vars)
            if self.query is not None and self.query.lstrip().startswith(b"TRUNCATE"):
                point.reached("truncating")

    class Dying(PostgresCleaning):
        def turn_rings(self) -> Any:
            self._connection.cursor_factory = Cursor
            return super().turn_rings()

        @contextmanager
        def _batch(self, timeout_s: int) -> Iterator[extensions.cursor]:
            with super()._batch(timeout_s) as cursor:
                yield cursor
                if cursor.rowcount > 0:
                    point.reached("cleaning")

    return Dying


def installer(point: Failpoint) -> type[Installer]:
    """An apply that can die."""

    class Dying(Installer):
        def _prepare(self) -> Any:
            prepared = super()._prepare()
            point.reached("prepared")
            return prepared

        def _write(self, *arguments: Any, **options: Any) -> Any:
            point.reached("slot-made")
            return super()._write(*arguments, **options)

        @contextmanager
        def _transaction(self) -> Iterator[extensions.cursor]:
            with super()._transaction() as cursor:
                yield cursor
                point.reached("installing")

    return Dying


class Sending:
    """A sender that can die when the answer is there."""

    def __init__(self, inner: Sender, point: Failpoint) -> None:
        self._inner = inner
        self._point = point

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """See `ports.Sender.send`."""
        outcomes = await self._inner.send(requests)
        self._point.reached("answered")
        return outcomes

    async def close(self) -> None:
        """See `ports.Sender.close`."""
        await self._inner.close()


def main() -> None:
    """Give `wiring` what can die, and run the command."""
    place, nth, *arguments = sys.argv[1:]
    point = Failpoint(place, int(nth))
    make_sender = streaming._sender
    for module, name, dying in (
        (streaming, "ReplicationSource", lambda dsn: Source(ReplicationSource(dsn), point)),
        (streaming, "PostgresStore", store(point)),
        (streaming, "_sender", lambda client: Sending(make_sender(client), point)),
        (capture, "Installer", installer(point)),
        (housekeeping, "PostgresCleaning", cleaning(point)),
    ):
        setattr(module, name, dying)
    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    main()
