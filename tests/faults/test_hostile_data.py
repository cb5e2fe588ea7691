"""Huge data under load: whole, in order, and in bounded memory.

Names, types and settings that are hostile: tests/acceptance/test_hostile_data.py.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.busy import Busy, LeanEndpoint, Spec
from support.killing import PER_KILL
from support.modal import database_for
from support.scene import modes
from support.witness import STALL_LIMIT_S, Mode

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.matrix import Matrix
    from support.servers import Pool

GROUP = "Hostile and huge data"
MIB = 1024 * 1024
ROW = 50 * MIB
APPLY_LIMIT_S = 120.0
START_LIMIT_S = 30.0


@pytest.fixture
def database(server_pool: Pool, mode: Mode) -> Iterator[Database]:
    """On a server that has the mode's plugin."""
    with database_for(server_pool, mode) as fresh:
        yield fresh


def table(name: str) -> str:
    return f"CREATE TABLE {name} (id int PRIMARY KEY, seq int NOT NULL, note text);"


@pytest.mark.timeout(2_400)
@modes
def test_a_huge_transaction_is_delivered_whole_in_bounded_memory_also_across_a_kill(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    rows = matrix.scale(50_000, 1_000_000 if mode == Mode() else 100_000)
    specs = (Spec("bulked", "bulk"),)
    endpoint = LeanEndpoint()
    with Busy(database, mode, *specs, tables=table("bulk"), endpoint=endpoint) as it:
        began = time.monotonic()
        it.run(f"INSERT INTO bulk SELECT g, 1, 'some text' FROM generate_series(1, {rows}) g")
        took_s = time.monotonic() - began  # an event counts as waiting from its row's change on
        it.arrive(rows * 2 // 3, 1_200)
        it.bounce()
        it.settle(1_200)
    fault = f"one transaction of {rows:,} rows, SIGKILL in its midst"
    stall_s = STALL_LIMIT_S + took_s
    it.judge(matrix, GROUP, fault, others=rows, duplicates=PER_KILL, stall_s=stall_s)


@pytest.mark.timeout(300)
@modes
def test_rows_of_50_mb_arrive_whole_also_from_the_table_of_parked_ones(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    def refuse_once(body: dict[str, Any], tries: int) -> Reply:
        refused = body["trigger"]["name"] == "huge" and not tries
        return Reply(status=503) if refused else Reply()

    whole, half = (f"repeat('0123456789abcdef', {size // 16})" for size in (ROW, ROW // 2))
    endpoint = LeanEndpoint(refuse_once)
    with Busy(database, mode, Spec("huge", "huge"), tables=table("huge"), endpoint=endpoint) as it:
        statements = [
            f"INSERT INTO huge VALUES (1, 1, {whole})",
            f"INSERT INTO huge VALUES (2, 1, {half}), (3, 1, 'small')",
            "UPDATE huge SET seq = 2 WHERE id = 2",
        ]
        for statement in statements[: matrix.scale(1, 3)]:
            it.run(statement)
            it.settle()
    assert endpoint.largest > ROW
    others = matrix.scale(1, 4)
    it.judge(matrix, GROUP, "rows of 50 MB, refused at first", others=others, largest_row=ROW)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("fault", "first"),
    [
        ("refused at first", Reply(status=503)),
        pytest.param("slow at first", Reply(delay_s=8.0), marks=pytest.mark.whole),
    ],
)
@modes
def test_several_rows_of_50_mb_at_once_take_no_more_memory_than_one_and_hold_nobody_up(
    database: Database, matrix: Matrix, mode: Mode, fault: str, first: Reply
) -> None:
    seen: set[str] = set()

    def once(body: dict[str, Any], _tries: int) -> Reply:
        if body["trigger"]["name"] != "huge" or body["id"] in seen:
            return Reply()
        seen.add(body["id"])
        return first

    count = matrix.scale(4, 8)
    row = f"repeat('0123456789abcdef', {ROW // 16})"
    spec = Spec("huge", "huge", {"retry_conf": {"num_retries": 3, "interval_sec": 1}})
    with Busy(
        database, mode, spec, tables=table("huge"), endpoint=LeanEndpoint(once), events=6_000
    ) as it:
        it.run(*(f"INSERT INTO huge VALUES ({n}, 1, {row})" for n in range(count)))
        it.settle()
    fault = f"{count} rows of 50 MB at once, {fault}"
    # what parses wal2json's lines makes one copy more
    largest_row = ROW if mode.plugin == "pgoutput" else ROW * 5 // 4
    it.judge(matrix, GROUP, fault, others=count, largest_row=largest_row)


@pytest.mark.timeout(600)
@modes
def test_thousands_of_tables_are_applied_started_and_delivered_in_bounded_time(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    count = matrix.scale(300, 5_000)
    names = [f"many_{n}" for n in range(count)]
    for first in range(0, count, 100):  # each table is a lock until its transaction ends
        database.execute("".join(map(table, names[first : first + 100])))
    specs = [Spec(name, name) for name in names]
    with Busy(database, mode, *specs, events=matrix.scale(200, 2_000)) as it:
        it.run(*(f"INSERT INTO {name} VALUES (1, 1)" for name in names))
        it.run(*(f"UPDATE {name} SET seq = 2" for name in names))
        it.settle()
    assert it.apply_s < APPLY_LIMIT_S
    assert it.start_s < START_LIMIT_S
    fault = f"{count:,} tables, a trigger each (applied in {it.apply_s:.0f} s, "
    fault += f"stream ready in {it.start_s:.1f} s)"
    it.judge(matrix, GROUP, fault, others=2 * count, triggers=count)


@pytest.mark.timeout(300)
@modes
def test_a_thousand_triggers_on_few_tables_each_get_every_event(
    database: Database, matrix: Matrix, mode: Mode
) -> None:
    count, tables, rounds = matrix.scale(60, 1_000), 4, 3
    specs = [Spec(f"of_{n}", f"few_{n % tables}") for n in range(count)]
    made = "".join(table(f"few_{n}") for n in range(tables))
    with Busy(database, mode, *specs, tables=made, endpoint=LeanEndpoint()) as it:
        for n in range(tables):
            it.run(f"INSERT INTO few_{n} VALUES (1, 1), (2, 1)")
            it.run(*(f"UPDATE few_{n} SET seq = seq + 1" for _ in range(rounds)))
        it.bounce()
        it.settle()
    fault = f"{count:,} triggers on {tables} tables (stream ready in {it.start_s:.1f} s), SIGKILL"
    others = 2 * (rounds + 1) * tables
    it.judge(matrix, GROUP, fault, others=others, duplicates=PER_KILL + 64 * count, triggers=count)
