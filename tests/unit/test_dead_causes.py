"""Causes of dead deliveries, and the pace at which they are put back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.redelivery import DeadRedelivery, Pace, count, run
from cdc_triggers.console.pages.dead import groups
from cdc_triggers.core.cause import LIMIT, UNKNOWN, cause_of
from cdc_triggers.core.dead import DeadError, DeadRow, DeadWanted

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("HTTP 503", "HTTP 503"),
        ("no complete answer within 60 s", "no complete answer within 60 s"),
        ("condition: line 2, column 14: x", "condition: line 2, column 14: x"),
        ("request 01a20d7f-6102-7cb9-95ff-22efb6dfc928 of 4711 failed", "request … of … failed"),
        ("digest deadbeef00 \n is wrong", "digest … is wrong"),
        ("deadbeef is a word", "deadbeef is a word"),
        (None, UNKNOWN),
        ("  ", UNKNOWN),
    ],
)
def test_a_cause_is_the_error_without_what_makes_each_different(
    error: str | None, cause: str
) -> None:
    assert cause_of(error) == cause
    assert cause_of(cause) == cause


def test_a_long_error_is_cut() -> None:
    assert len(cause_of("x" * 1000)) == LIMIT


def test_errors_of_one_cause_are_one_group_and_a_full_window_says_that_there_may_be_more() -> None:
    found = groups(
        [
            DeadError("a", "row 1234 is bad", 2, AT, AT),
            DeadError("a", "row 5678 is bad", 3, None, None),
            DeadError("b", "row 1234 is bad", 4, AT, AT),
        ],
        5,
    )
    assert [(g.trigger, g.cause, g.amount, g.more) for g in found] == [
        ("a", "row … is bad", 5, True),
        ("b", "row … is bad", 4, False),
    ]
    assert sum(g.share for g in found) == pytest.approx(1)


@dataclass
class Store:
    rows: list[DeadRow]
    back: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def now(self) -> datetime:
        return AT

    def errors(self, wanted: DeadWanted) -> Sequence[tuple[str, int]]:
        del wanted
        return [(row.error, 1) for row in self.rows]

    def chunk(self, wanted: DeadWanted, after_id: str, limit: int) -> Sequence[DeadRow]:
        del wanted
        return [row for row in self.rows if row.event_id > after_id][:limit]

    def put_back(self, wanted: DeadWanted, numbers: Sequence[int]) -> int:
        del wanted
        self.back += numbers
        self.steps.append(len(numbers))
        return len(numbers)


def store(amount: int) -> Store:
    errors = ("HTTP 503", "HTTP 422")
    return Store([DeadRow(n, f"{n:08d}-x", errors[n % 2]) for n in range(1, amount + 1)])


def wanted(cause: str | None = None) -> DeadWanted:
    return DeadWanted("t", cause, None, AT)


def test_only_those_of_the_cause_are_put_back_and_as_many_as_were_counted() -> None:
    dead = store(12_001)
    assert count(dead, wanted("HTTP 422")) == 6_001
    assert count(dead, wanted()) == 12_001
    work = DeadRedelivery(dead, wanted("HTTP 422"))
    while work.step(10_000):
        pass
    assert work.done == 6_001
    assert dead.back == list(range(1, 12_002, 2))


def test_the_rate_is_kept_and_a_stop_leaves_the_others_dead() -> None:
    dead = store(1_000)
    work, now = DeadRedelivery(dead, wanted()), [0.0]

    def wait(seconds: float) -> bool:
        now[0] += seconds or 0.01
        return now[0] > 10

    assert not run(work, Pace(20), lambda: now[0], wait)
    assert 195 <= work.done <= 205
    assert max(dead.steps) <= 6


def test_an_endless_rate_is_as_good_as_none() -> None:
    dead, now = store(9_000), iter(range(100))
    work = DeadRedelivery(dead, wanted())
    assert run(work, Pace(float("inf")), lambda: float(next(now)), lambda _: False)
    assert work.done == 9_000


def test_without_a_rate_all_go_at_once() -> None:
    dead = store(9_000)
    work = DeadRedelivery(dead, wanted())
    assert run(work, Pace(None), lambda: 0.0, lambda _: False)
    assert work.done == 9_000
    assert len(dead.steps) == 1
