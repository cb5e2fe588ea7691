"""Keys at the top of a trigger file, for all its triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.trigger_file import load
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from pathlib import Path

TRIGGER = '  - {name: NAME, table: t, insert: {columns: "*"}, webhook: https://x, MORE}\n'


def trigger(name: str, more: str = "comment: x") -> str:
    return TRIGGER.replace("NAME", name).replace("MORE", more)


def written(path: Path, head: str, *triggers: str) -> Path:
    path.write_text(f"version: 1\n{head}triggers:\n{''.join(triggers)}", "utf-8")
    return path


def test_a_default_counts_for_the_triggers_of_its_file_that_do_not_say_otherwise(
    tmp_path: Path,
) -> None:
    own = trigger("b", "stringify_numeric_types: false")
    first = written(
        tmp_path / "1.yaml", "stringify_numeric_types: true\n", trigger("a"), own, trigger("c")
    )
    second = written(tmp_path / "2.yaml", "", trigger("d"))
    found = load([first, second]).triggers
    on = [each.name for each in found if each.stringify_numeric_types]
    assert (on, len(found)) == (["a", "c"], 4)


@pytest.mark.parametrize("value", ["", "1", "maybe", "[true]"])
def test_a_default_that_is_no_truth_value_is_refused_once(tmp_path: Path, value: str) -> None:
    path = written(tmp_path / "1.yaml", f"stringify_numeric_types: {value}\n", trigger("a"))
    with pytest.raises(TriggerFileError) as refused:
        load([path])
    (problem,) = refused.value.problems
    assert problem == (
        f"{path}:2: `stringify_numeric_types` is neither true nor false; "
        "write stringify_numeric_types: true"
    )


def test_a_key_of_a_trigger_that_is_no_default_is_unknown_at_the_top(tmp_path: Path) -> None:
    path = written(tmp_path / "1.yaml", "max_in_flight: 5\n", trigger("a"))
    with pytest.raises(TriggerFileError, match="unknown key `max_in_flight`"):
        load([path])
