"""A database at work: load on `counter`, other tables and triggers beside it, one stream of all."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from cdc_triggers.app.admin import Administration
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.connect import connect
from support.live import change
from support.load import Load
from support.scene import PATIENT
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.http.receiver import Received, Reply
    from support.databases import Database
    from support.matrix import Matrix
    from support.witness import Mode, Verdict

_OWED = """
SELECT e.id::text, t.name FROM cdc_triggers.event_log e
  JOIN cdc_triggers.trigger t ON t.table_id = e.table_id
 WHERE (e.trigger_name IS NULL OR e.trigger_name = t.name) AND t.name = ANY (%s)"""

# What a dropped trigger owed is kept and never sent: nothing to wait for.
_FORGET_ARCHIVED = """
DELETE FROM cdc_triggers.delivery d
 WHERE NOT EXISTS (SELECT FROM cdc_triggers.trigger t WHERE t.id = d.trigger_id)"""


class Spec(NamedTuple):
    """A trigger beside `counted`; its endpoint is that of all."""

    name: str
    table: str
    keys: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


class LeanEndpoint(Endpoint):
    """An endpoint for more than memory should hold: it keeps counts and no bodies."""

    largest = 0
    """Bytes of the largest body."""

    def _handle(self, request: Received) -> Reply:
        self.largest = max(self.largest, len(request.body))
        reply = super()._handle(request)
        for kept in (self.bodies, self.raw, self.headers):
            kept.clear()
        return reply


class Busy:
    """Enter it, and load is written and streamed; leave it, and all ends.

    Args:
        tables: SQL that makes the other tables.
        events: of the load.
        per_second: of the load.
        endpoint: of all triggers, if not an ordinary one.

    Attributes:
        apply_s, start_s: how long the first apply took, and the stream until it was ready.
    """

    def __init__(
        self,
        database: Database,
        mode: Mode,
        *specs: Spec,
        tables: str = "SELECT",
        events: int = 600,
        per_second: float = 300,
        endpoint: Endpoint | None = None,
    ) -> None:
        self.database = database
        self.mode = mode
        self._specs = specs
        self.load = Load(database, events, keys=20, per_second=per_second)
        database.execute(tables)
        self.endpoint = Endpoint() if endpoint is None else endpoint
        self.stream = StreamProcess(database, "--plugin", mode.plugin)
        self.witness = Witness(database, [self.endpoint], self.stream)
        self.apply_s = self.start_s = 0.0
        self._connection = database.connect()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.endpoint)
            began = time.monotonic()
            self.apply()
            self.apply_s = time.monotonic() - began
            stack.enter_context(self.witness)
            began = time.monotonic()
            stack.enter_context(self.stream)
            self.start_s = time.monotonic() - began
            stack.enter_context(self.load)
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
            error.add_note(f"{len(self.endpoint.answered)} came. The stream says:")
            error.add_note(self.stream.log[-4_000:])
        self._stack.close()

    def trigger(self, name: str, table: str, **keys: Any) -> Trigger:
        """A spec in this mode."""
        keys = {"ordering": self.mode.ordering, "retry_conf": PATIENT, **keys}
        return trigger(name, table, keys.pop("webhook", self.endpoint.url), **keys)

    def apply(self, *more: Trigger) -> None:
        """Apply `counted`, the specs there were at first, and these; no others."""
        own = [self.trigger(s.name, s.table, **s.keys) for s in self._specs]
        every = (self.trigger("counted", "counter"), *own, *more)
        apply(self.database, *every, plugin=self.mode.plugin)

    def run(self, *statements: str) -> None:
        """Each in a transaction of its own, unless one is begun."""
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def administration(self) -> Iterator[Administration]:
        """What the operator's commands use."""
        with closing(connect(self.database.dsn, application_name="test admin")) as connection:
            yield Administration(PostgresAdmin(connection))

    def arrive(self, more: int = 60, timeout_s: float = 60) -> None:
        """Until so many more deliveries than now were answered."""
        enough = len(self.endpoint.answered) + more
        came = f"{more} more arrive"
        wait_until(lambda: len(self.endpoint.answered) >= enough, timeout_s, came)

    def bounce(self) -> None:
        """SIGKILL and a new start."""
        self.stream.kill()
        self.stream.start()

    def settle(self, timeout_s: float = 90) -> None:
        """Until the load is written and all of everything is delivered and confirmed."""
        self.load.join()
        self.database.execute(_FORGET_ARCHIVED)
        wait_settled(self.database, timeout_s)

    def changes(self, name: str) -> list[tuple[str, Any, Any]]:
        """What came for a trigger, as (op, old, new), repeats left out."""
        seen: dict[str, tuple[str, Any, Any]] = {}
        for body in self.endpoint.bodies:
            if body["trigger"]["name"] == name:
                seen.setdefault(body["id"], change(body))
        return list(seen.values())

    def came(self, name: str, expected: Sequence[tuple[str, Any, Any]]) -> None:
        """Assert that these came for the trigger, no others, and in the mode's order."""
        found = self.changes(name)
        if self.mode.ordering == "total":
            assert found == list(expected)
        assert sorted(map(repr, found)) == sorted(map(repr, expected))
        if self.mode.ordering == "key":
            assert _by_key(found) == _by_key(expected)

    def judge(
        self,
        matrix: Matrix,
        group: str,
        fault: str,
        *,
        others: int,
        two_writers: bool = False,
        **excused: Any,
    ) -> Verdict:
        """Note what was seen and fail unless the promise was kept.

        Args:
            others: events beside the load's: so many, or capture has lost some.
            two_writers: of one table, so that `total` is checked by key only: the order of capture
                is then not that of commit.
            **excused: see `Verdict.check`.
        """
        by_key = two_writers and self.mode.ordering == "total"
        verdict = self.witness.verdict(ordering="key" if by_key else self.mode.ordering)
        names = ["counted", *(spec.name for spec in self._specs)]
        owed = self.database.execute(_OWED, names)
        missing = sum(
            1 for event_id, name in owed if (event_id, name) not in self.endpoint.answered
        )
        verdict = replace(verdict, lost=max(verdict.lost, missing))
        matrix.add(group, fault, self.mode, verdict)
        expected = self.load.written + others
        assert verdict.events == expected, f"{verdict.events} events captured, not {expected}"
        verdict.check(**excused)
        return verdict


def _by_key(changes: Sequence[tuple[str, Any, Any]]) -> dict[object, list[tuple[str, Any, Any]]]:
    found: dict[object, list[tuple[str, Any, Any]]] = {}
    for each in changes:
        found.setdefault((each[1] or each[2])["id"], []).append(each)
    return found
