from __future__ import annotations

import pytest

from cdc_triggers.core import snapshot
from cdc_triggers.core.snapshot import Snapshot


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:10:", Snapshot(10, 10, frozenset())),
        ("10:20:10,14", Snapshot(10, 20, frozenset({10, 14}))),
        (
            "4294967297:4294967300:4294967298",
            Snapshot(2**32 + 1, 2**32 + 4, frozenset({2**32 + 2})),
        ),
    ],
)
def test_text_of_postgresql_is_read(text: str, expected: Snapshot) -> None:
    assert snapshot.parse(text) == expected


@pytest.mark.parametrize(
    ("xid", "over"),
    [(9, True), (10, False), (11, True), (14, False), (19, True), (20, False), (99, False)],
)
def test_contains_what_was_over_and_not_what_ran_or_came_later(xid: int, *, over: bool) -> None:
    assert snapshot.parse("10:20:10,14").contains(xid) is over
