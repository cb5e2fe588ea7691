"""The keepalive trap (docs/adr/0010) and a kill in the middle of it, on the stream as a whole.

One transaction's webhook is not answered. A later one, with rows older than what is confirmed, is
being received when a keepalive says that the server is past both. Whoever confirms that and dies
has lost an event.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.killing import PER_KILL
from support.load import Load
from support.modal import breaks_of_total_order, database_for
from support.scene import PATIENT
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.wal_proxy import WalProxy
from support.witness import Mode, Verdict, Witness

from cdc_triggers.core import lsn as lsns
from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Pool

GROUP = "The keepalive trap"
HELD = "the held one"
LONG = 600
"""Rows of a long transaction."""
BIG = 80_000
"""Bytes of a row; `LONG` of those are far more than sockets hold: the server has to wait."""
LOAD = 400
TRAP_ROW = 300
_WRITTEN_DOWN = """
SELECT 1 FROM cdc_triggers.delivery d JOIN cdc_triggers.event_log e ON e.id = d.event_id
 WHERE e.new ->> 'text' = %s"""


class Story:
    """Sessions that write to `note`; what of it arrives, and what is held at the endpoint."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._sessions: dict[str, Any] = {}
        self._released = threading.Event()
        self.arrived = False
        self.committed: list[int] = []
        self._written: dict[str, list[int]] = {}
        database.execute("CREATE TABLE note (id int PRIMARY KEY, seq int NOT NULL, text text)")

    def decide(self, body: dict[str, Any], _tries: int) -> Reply:
        row = body["event"]["data"]["new"]
        if row.get("text") != HELD or self._released.is_set():
            return Reply()
        self.arrived = True
        return Reply(status=503, delay_s=60)

    def release(self) -> None:
        self._released.set()

    def run(self, session: str, statement: str) -> None:
        if session not in self._sessions:
            self._sessions[session] = self.database.connect()
            self._sessions[session].autocommit = False
        with self._sessions[session].cursor() as cursor:
            cursor.execute(statement)

    def write(self, session: str, first: int, count: int = 1, text: str = "short") -> None:
        """Insert rows whose ids begin with `first`."""
        last = first + count - 1
        self.run(
            session,
            f"INSERT INTO note SELECT g, 0, '{text}' FROM generate_series({first}, {last}) g",
        )
        self._written.setdefault(session, []).extend(range(first, first + count))

    def roll_back(self, session: str, savepoint: str, count: int) -> None:
        """To the savepoint, after which `count` rows were written."""
        self.run(session, f"ROLLBACK TO {savepoint}")
        del self._written[session][-count:]

    def commit(self, session: str) -> None:
        self._sessions[session].commit()
        self.committed += self._written.pop(session)


class Shape(NamedTuple):
    """What comes before the held transaction, and what after it.

    Attributes:
        before: leaves long transactions open.
        hold: writes and commits the one that is held.
        springs: long transactions that commit in `after`; each is trapped.
        own: see `WalProxy`.
    """

    words: str
    before: Callable[[Story], None]
    hold: Callable[[Story], None]
    after: Callable[[Story], None]
    springs: int = 1
    own: bool = False


def hold_a_short_one(story: Story) -> None:
    story.write("held", 1, text=HELD)
    story.commit("held")


def hold_one_of_savepoints(story: Story) -> None:
    story.run("held", "SAVEPOINT a")
    story.write("held", 3)
    story.roll_back("held", "a", 1)
    story.run("held", "SAVEPOINT b")
    story.write("held", 1, text=HELD)
    story.run("held", "RELEASE b")
    story.commit("held")


def begin_savepoints(story: Story) -> None:
    for part in range(10):
        story.run("long", "SAVEPOINT part")
        story.write("long", 1_000 + part * LONG // 5, LONG // 5)
        if part % 2:
            story.roll_back("long", "part", LONG // 5)


def begin_three(story: Story) -> None:
    for number, session in enumerate(("a", "b", "c")):
        story.write(session, 10_000 * (number + 1), LONG)


def begin_also_the_held(story: Story) -> None:
    story.write("held", 1, text=HELD)
    story.write("long", 1_000, LONG)


def commit(*sessions: str) -> Callable[[Story], None]:
    def committing(story: Story) -> None:
        for session in sessions:
            story.commit(session)

    return committing


def begin_one(story: Story) -> None:
    story.write("long", 1_000, LONG)


def begin_a_big_one(story: Story) -> None:
    story.write("long", 1_000, LONG, "x" * BIG)


SHAPES = {
    "interleaved": Shape("three interleaved", begin_one, hold_a_short_one, commit("long")),
    "early": Shape(
        "three long ones with early LSNs, committed in the opposite order",
        *(begin_three, hold_a_short_one, commit("c", "b", "a")),
        springs=3,
    ),
    "early-held": Shape(
        "the unanswered one has early LSNs too", begin_also_the_held, commit("held"), commit("long")
    ),
    "savepoints": Shape(
        "savepoints, half of them rolled back",
        *(begin_savepoints, hold_one_of_savepoints, commit("long")),
    ),
    "own-keepalive": Shape(
        "the server's own keepalive while nobody reads",
        *(begin_a_big_one, hold_a_short_one, commit("long")),
        own=True,
    ),
}
PICK = [
    ("interleaved", Mode()),
    ("early-held", Mode("total", "wal2json")),
    ("own-keepalive", Mode("none")),
]
EVERY = [
    (shape, Mode(ordering, plugin))
    for shape, ordering, plugin in product(
        SHAPES, ("key", "none", "total"), ("pgoutput", "wal2json")
    )
]
cases = pytest.mark.parametrize(
    ("name", "mode"),
    [*PICK, *(pytest.param(*c, marks=pytest.mark.whole) for c in EVERY if c not in PICK)],
    ids=str,
)


@pytest.fixture
def database(server_pool: Pool, mode: Mode) -> Iterator[Database]:
    """On a server that has the mode's plugin."""
    with database_for(server_pool, mode) as fresh:
        yield fresh


class Trap:
    """One run: load, stream behind the proxy, and the story up to the keepalive."""

    def __init__(self, database: Database, shape: Shape, mode: Mode) -> None:
        self.database = database
        self.shape = shape
        self.mode = mode
        self.story = Story(database)
        self.load = Load(database, LOAD, keys=20, per_second=LOAD / 4)
        self.endpoint = Endpoint(self.story.decide)
        self.proxy = WalProxy(
            *(database,),
            row=TRAP_ROW,
            mark=HELD.encode(),
            springs=shape.springs,
            own=shape.own,
        )
        self.stream = StreamProcess(database, "--plugin", mode.plugin, dsn=self.proxy.dsn)

    @property
    def written_down(self) -> bool:
        """True if the held delivery is parked, so that it may be confirmed."""
        return bool(self.database.execute(_WRITTEN_DOWN, HELD))

    def spring(self) -> None:
        """Until the stream has answered the keepalive and reads no further."""
        self.shape.before(self.story)
        self.story.write("confirmed", 2)
        self.story.commit("confirmed")
        wait_settled(self.database)
        self.shape.hold(self.story)
        wait_until(lambda: self.story.arrived, what="the held one is at the endpoint")
        self.shape.after(self.story)
        assert self.proxy.caught.wait(30), "no keepalive came in the midst of a transaction"

    def kill(self) -> None:
        """And see that nothing was confirmed too early: reported first, asked second."""
        flushed, end = self.proxy.flushed, self.proxy.watched_end
        assert end, "the held transaction did not come"
        assert flushed < end or self.written_down, f"{flushed:X} passes {end:X}"
        self.stream.kill()
        assert self.slot_lsn() < end or self.written_down

    def recover(self) -> None:
        self.story.release()
        self.proxy.go_on()
        self.stream.start()
        self.load.join()
        wait_settled(self.database, 90)

    def slot_lsn(self) -> int:
        [(text,)] = self.database.execute(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
            self.database.slot,
        )
        return int(lsns.parse(text))

    def verdict(self, witness: Witness) -> Verdict:
        if self.mode.ordering != "total":
            return witness.verdict(ordering=self.mode.ordering)
        events = self.database.execute(
            "SELECT (new ->> 'id')::int, id::text FROM cdc_triggers.event_log"
            " WHERE table_name = 'note'"
        )
        by_row = {row: event for row, event in events}  # noqa: C416 - says what is what
        committed = [by_row[row] for row in self.story.committed]
        assert len(committed) == len(by_row)
        broken = breaks_of_total_order(self.endpoint, "noted", committed)
        verdict = witness.verdict(ordering="key")
        return replace(verdict, inversions=verdict.inversions + broken)


def run(database: Database, matrix: Matrix, shape: Shape, mode: Mode, *, parked: bool) -> None:
    trap = Trap(database, shape, mode)
    with trap.endpoint as endpoint:
        triggers = [
            trigger(name, table, endpoint.url, ordering=mode.ordering, retry_conf=PATIENT)
            for name, table in (("noted", "note"), ("counted", "counter"))
        ]
        apply(database, *triggers, plugin=mode.plugin)
        witness = Witness(database, [endpoint], trap.stream)
        with trap.proxy, witness, trap.stream, trap.load:
            trap.spring()
            if parked:
                wait_until(lambda: trap.written_down, what="the held one is written down")
            trap.kill()
            trap.recover()
        verdict = trap.verdict(witness)
    when = "killed once the held one was parked" if parked else "killed at the keepalive"
    matrix.add(GROUP, f"{shape.words}; {when}", mode, verdict)
    assert verdict.events == trap.load.events + len(trap.story.committed)
    verdict.check(duplicates=PER_KILL)
    if shape.own:
        assert trap.proxy.own_keepalives


@pytest.mark.timeout(240)
@cases
def test_a_kill_at_a_keepalive_in_a_long_transaction_loses_nothing(
    database: Database, matrix: Matrix, name: str, mode: Mode
) -> None:
    run(database, matrix, SHAPES[name], mode, parked=False)


@pytest.mark.whole
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "mode"), EVERY, ids=str)
def test_a_kill_after_the_held_one_was_written_down_loses_nothing(
    database: Database, matrix: Matrix, name: str, mode: Mode
) -> None:
    run(database, matrix, SHAPES[name], mode, parked=True)
