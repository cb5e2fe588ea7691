"""1: what capture costs the writer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bench import load
from bench.figure import Figure, Goal, at_least
from bench.row import Row, Scale
from bench.scene import trigger
from bench.turns import by_turns, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.rig import Rig
    from bench.scene import Scene

TABLES: Final = ("plain", "orders", "classic")
STATEMENT_ROWS: Final = 1_000
COPY_ROWS: Final = 100_000
_CLASSIC: Final = Path(__file__).with_name("classic.sql")


class Writing(NamedTuple):
    """A kind of writing: `run` gives rows per second of one table."""

    name: str
    run: Callable[[str], float]
    to_none: float


def measure(rig: Rig, scale: Scale) -> Iterator[Figure]:
    """Every kind of writing into three like tables by turns."""
    with rig.scene() as scene:
        for table in TABLES:
            scene.execute(f"CREATE TABLE {table} {load.COLUMNS}")
        scene.execute(_CLASSIC.read_text("utf-8"))
        every = {"insert": {"columns": "*"}, "update": {"columns": "*"}, "delete": {"columns": "*"}}
        scene.apply(trigger("captured", definition=every))
        for writing in _writings(rig, scene, scale):
            say(f" {writing.name}")
            for table in TABLES:
                writing.run(table)  # warm-up
            found = by_turns(scale.rounds, {table: _run(scene, writing, table) for table in TABLES})
            yield from _figures(writing, found)


def _run(scene: Scene, writing: Writing, table: str) -> Callable[[], float]:
    def run() -> float:
        # each begins with as much of the checkpoint's interval
        scene.execute("CHECKPOINT")
        return writing.run(table)

    return run


def _writings(rig: Rig, scene: Scene, scale: Scale) -> Iterator[Writing]:
    seconds = max(1, round(scale.seconds(8)))
    statements = scale.count(30, 2)
    copied = scale.count(COPY_ROWS, 1_000)
    lines = "".join(
        f"{n % 1000}\tpaid\t{n / 7:.2f}\tleft at the door\t{{}}\n" for n in range(copied)
    )

    def single(table: str) -> float:
        clients = ("-c", str(load.CLIENTS), "-T", str(seconds))
        return load.pgbench(rig, scene, load.insert_script(table), *clients)

    def many(make: Callable[[str, str], str]) -> Callable[[str], float]:
        def run(table: str) -> float:
            top = scene.value(f"SELECT last_value FROM {table}_id_seq")  # noqa: S608 - our names
            if make is not _insert:
                # the rows that are changed: each a thousand that no other statement has touched
                scene.execute(load.insert_many(table, statements * STATEMENT_ROWS))
            took = 0.0
            for number in range(statements):
                low = top + number * STATEMENT_ROWS
                between = f"WHERE id > {low} AND id <= {low + STATEMENT_ROWS}"
                took += scene.execute(make(table, between))
            return statements * STATEMENT_ROWS / took

        return run

    def copy(table: str) -> float:
        return copied / scene.copy_in(f"COPY {table} ({load.NAMES}) FROM STDIN", io.StringIO(lines))

    yield Writing("single-row INSERT, 4 clients", single, 0.8)
    yield Writing("INSERT of 1,000 rows", many(_insert), 0.4)
    yield Writing("UPDATE of 1,000 rows", many(_update), 0.4)
    yield Writing("DELETE of 1,000 rows", many(_delete), 0.4)
    yield Writing(f"COPY of {copied:,} rows", copy, 0.4)


def _insert(table: str, _between: str) -> str:
    return load.insert_many(table, STATEMENT_ROWS)


def _update(table: str, between: str) -> str:
    return f"UPDATE {table} SET total = total + 1 {between}"  # noqa: S608 - our names


def _delete(table: str, between: str) -> str:
    return f"DELETE FROM {table} {between}"  # noqa: S608 - our names


def _figures(writing: Writing, found: dict[str, tuple[float, ...]]) -> Iterator[Figure]:
    none, ours, classic = (found[table] for table in TABLES)
    yield Figure(writing.name, "/s", ours, none, "no trigger", at_least(writing.to_none))
    goal: Goal | None = None if writing.name.startswith("single") else at_least(5.0)
    yield Figure(writing.name, "/s", ours, classic, "classic trigger", goal)


ROW: Final = Row(
    1,
    "Capture: what the writer pays",
    measure,
    "Three like tables in one database: one without a trigger, one captured, one with the "
    "classic shape: a row-level PL/pgSQL trigger that writes one jsonb row into a table with "
    "three indexes, in a subtransaction. Single rows are written by pgbench with 4 clients, "
    "the rest in one session, each statement its own transaction. Rows per second. Nothing "
    "reads the slot meanwhile.",
)
