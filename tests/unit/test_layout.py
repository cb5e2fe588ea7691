from __future__ import annotations

import pytest

from cdc_triggers.core.layout import align

OLD = {1: "doomed", 2: "id", 3: "seq", 4: "note"}
NEW = {2: "key", 3: "number", 4: "seq", 5: "extra"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("doomed", "id", "number", "note"), {1: "doomed", 2: "id", 3: "number", 4: "note"}),
        (("doomed", "key", "number", "note"), {1: "doomed", 2: "key", 3: "number", 4: "note"}),
        (("doomed", "key", "number", "seq"), {1: "doomed", 2: "key", 3: "number", 4: "seq"}),
        (("key", "number", "seq"), {2: "key", 3: "number", 4: "seq"}),
        (("key", "number", "seq", "extra", "more"), {**NEW, 6: "more"}),
    ],
)
def test_a_layout_between_two_known_ones_is_found_also_if_a_name_passed_to_another_column(
    names: tuple[str, ...], expected: dict[int, str]
) -> None:
    assert align(names, [OLD, NEW]) == expected
    assert align(names, [NEW, OLD]) == expected


def test_two_columns_that_swapped_their_names_keep_their_numbers() -> None:
    assert align(("id", "b", "a"), [{1: "id", 2: "a", 3: "b"}]) == {1: "id", 2: "b", 3: "a"}


def test_a_dropped_column_leaves_the_others_where_they_were() -> None:
    assert align(("id", "b"), [{1: "id", 2: "a", 3: "b"}]) == {1: "id", 3: "b"}


def test_without_a_known_layout_or_without_columns_nothing_is_claimed() -> None:
    assert align(("id",), []) == {}
    assert align((), [OLD]) == {}


def test_a_table_of_very_many_columns_is_aligned_in_no_time() -> None:
    known = {number: f"c{number}" for number in range(1, 201)}
    names = tuple("x" if number == 100 else name for number, name in known.items())
    assert align(names, [known])[100] == "x"
