"""`cleanup_config` and `retention` in a trigger file: what is wrong is told with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.trigger_file import load
from cdc_triggers.core.cleanup import Retention
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from pathlib import Path

TRIGGER = """\
version: 1
triggers:
  - name: order_changed
    table: orders
    definition: {insert: {columns: "*"}}
    webhook: https://example.com/
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with it, without the file's name."""
    path = tmp_path / "triggers.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TriggerFileError) as caught:
        load([path])
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", r"7: .*`cleanup_config` \('x'\) is not a mapping; write cleanup_config: \{sched"),
        ("{schedule: '0 3 * * *'}", r"7: .*`cleanup_config.clear_older_than` is missing; write"),
        ("{clear_older_than: 1}", r"7: .*`cleanup_config.schedule` is missing; write schedule: \""),
        ("{schedule: '0 3 * *', clear_older_than: 1}", r"7: .*has 4 fields, not 5"),
        ("{schedule: '0 25 * * *', clear_older_than: 1}", r"7: .*its hour makes no sense"),
        ("{schedule: '0 3 * * *', clear_older_than: 0}", r"7: .*\(0\) is too small; write whole"),
        (
            "{schedule: '0 3 * * *', clear_older_than: 1, pausd: true}",
            r"7: .*unknown key `pausd`; did you mean `paused`",
        ),
    ],
)
def test_a_clean_up_that_makes_no_sense_is_refused(
    tmp_path: Path, value: str, expected: str
) -> None:
    (problem,) = problems(tmp_path, f"{TRIGGER}    cleanup_config: {value}\n")
    assert re.match(expected, problem), problem


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("8", r"2: `retention` is not a mapping; write retention: \{log_days: 6, dead_days: 30\}"),
        (
            "{log_days: 0}",
            r"2: `retention.log_days` cannot be used; write whole days from 1 to 365",
        ),
        ("{dead_days: never}", r"2: `retention.dead_days` cannot be used; write .*, or forever"),
        ("{log_day: 1}", r"2: `retention`: unknown key `log_day`; did you mean `log_days`\?"),
    ],
)
def test_a_retention_that_makes_no_sense_is_refused(
    tmp_path: Path, value: str, expected: str
) -> None:
    (problem,) = problems(tmp_path, f"version: 1\nretention: {value}\ntriggers: []\n")
    assert re.match(expected, problem), problem


def test_the_retention_stands_in_one_file_and_is_the_default_where_none_has_it(
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    one.write_text("version: 1\nretention: {dead_days: forever}\ntriggers: []\n")
    other.write_text("version: 1\ntriggers: []\n")
    assert load([tmp_path]).retention == Retention(dead_days="forever")
    assert load([other]).retention == Retention()
    other.write_text("version: 1\nretention: {}\ntriggers: []\n")
    with pytest.raises(TriggerFileError, match=r"b.yaml:2: `retention` stands already at .*a.yaml"):
        load([tmp_path])
