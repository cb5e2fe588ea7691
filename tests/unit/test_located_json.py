from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc_triggers.app import located_json
from cdc_triggers.app.located import Node

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda below: st.lists(below) | st.dictionaries(TEXT, below),
    max_leaves=20,
)


def parsed(path: Path, text: str) -> Node | str:
    path.write_text(text, encoding="utf-8")
    return located_json.read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, indent=st.sampled_from([None, 1, "\t"]))
def test_it_reads_what_json_reads(tmp_path: Path, value: Any, indent: Any) -> None:
    node = parsed(tmp_path / "x.json", json.dumps(value, indent=indent))
    assert isinstance(node, Node)
    assert node.plain() == value


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    node = parsed(path, '\n{\n\t"a": 1,\n  "b":\n    [\n true, {"c": "\\ud83d\\udc4b"}\n]}\n')
    assert isinstance(node, Node)
    assert str(node) == f"{path}:2"
    assert str(node.at(("a",))) == f"{path}:3"
    assert str(node.at(("b",))) == f"{path}:4"
    assert str(node.at(("b", 0))) == f"{path}:6"
    assert str(node.at(("b", 1, "c"))) == f"{path}:6"
    assert node.at(("b", 1, "c")).value == "👋"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: not valid JSON at column 1: Expecting value"),
        ('{"a": 1,\n}', '2: not valid JSON at column 1: a key in "" is missing'),
        ('{"a" 1}', "1: not valid JSON at column 6: a : is missing"),
        ("[1\n2]", "2: not valid JSON at column 1: a , or ] is missing"),
        ('{"a": 1}\nx', "2: not valid JSON at column 1: something follows the end"),
        ('{"a": 1,\n "a": 2}', "2: not valid JSON at column 2: the key 'a' stands twice"),
        ("[NaN]", "1: not valid JSON at column 1: NaN is not JSON"),
        ('{"a": "x\ny"}', "1: not valid JSON at column 9: Invalid control character at"),
        ("[" * 100_000, "1: not valid JSON: it is nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    assert parsed(path, text) == f"{path}:{said}"


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path: Path) -> None:
    assert "does not exist" in str(located_json.read(tmp_path / "none.json"))
    (tmp_path / "x.json").write_bytes(b"\xff")
    assert "is not UTF-8" in str(located_json.read(tmp_path / "x.json"))
