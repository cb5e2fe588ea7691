"""What the values of a trigger file may be: times, halves of characters, tags."""

from __future__ import annotations

import pytest

from cdc_triggers.app import trigger_file
from cdc_triggers.core.spec import Trigger
from cdc_triggers.errors import TriggerFileError

VALID = """\
name: a
table: orders
insert: {columns: "*"}
webhook: https://x
"""


def loaded(line: str) -> Trigger:
    return trigger_file.load_text(f"{VALID}{line}\n", "triggers.yaml")


@pytest.mark.parametrize("text", ["2024-01-01T00:00:00Z", "2024-01-01 1:00:00.50 +2", "2024-13-45"])
def test_what_looks_like_a_time_stays_the_text_that_it_is(text: str) -> None:
    assert loaded(f"headers: [{{name: X, value: {text}}}]").headers[0].value == text


def test_a_character_in_two_halves_as_json_escapes_it_is_one() -> None:
    trigger = loaded(r'comment: "\ud83d\ude00"')
    assert trigger.comment == "😀"
    assert Trigger.model_validate_json(trigger.model_dump_json()) == trigger


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r'"\ud800": 1', "holds half of a character"),
        ("comment: !!binary aGVsbG8=", "has a tag that means nothing here"),
        ("ordering_key: !!set {a, b}", "has a tag that means nothing here"),
    ],
)
def test_values_that_no_spec_can_hold_are_refused(line: str, said: str) -> None:
    with pytest.raises(TriggerFileError) as refused:
        loaded(line)
    (problem,) = refused.value.problems
    assert problem.startswith("triggers.yaml:1: trigger 'a': a value ")
    assert said in problem
