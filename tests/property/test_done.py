"""What is done is found again, and nothing else, in whatever order it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.done import Done

PAIRS = st.tuples(st.uuids().map(str), st.integers(1, 3))


@given(pairs=st.sets(PAIRS, max_size=40), others=st.lists(PAIRS, max_size=5), ordered=st.booleans())
def test_it_holds_what_it_was_made_of_and_nothing_else(
    pairs: set[tuple[str, int]], others: list[tuple[str, int]], *, ordered: bool
) -> None:
    done = Done(sorted(pairs, key=lambda pair: (pair[1], pair[0])) if ordered else pairs)
    assert (set(done), len(done)) == (pairs, len(pairs))
    assert all(pair in done for pair in pairs)
    assert [pair in done for pair in others] == [pair in pairs for pair in others]
