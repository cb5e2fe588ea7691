"""Laws of conditions: whatever is written, and whatever it is asked about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cel
from hypothesis import given
from hypothesis import strategies as st
from support.deliveries import event

from cdc_triggers.core.cel.parser import parse
from cdc_triggers.core.cel.problems import FlawError, InvalidConditionError
from cdc_triggers.core.cel.writer import write
from cdc_triggers.core.condition import compiled
from cdc_triggers.core.images import Images, Naming
from cdc_triggers.errors import ConditionError

if TYPE_CHECKING:
    from cdc_triggers.core.problems import Problem

COLUMNS = ("a", "b", "tags", "data")
SIDES = ("old", "new")

texts = st.text(max_size=6)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
images = st.none() | st.fixed_dictionaries(dict.fromkeys(COLUMNS, values))

literals = st.one_of(
    st.sampled_from(["true", "false", "null", "0", "1", "-1", "2u", "1.5", "[]", "{}"]),
    st.integers(0, 2**63 - 1).map(str),
    texts.map(json.dumps).filter(lambda text: "\\ud" not in text),
)
columns = [f"{side}.{name}" for side in SIDES for name in COLUMNS]
variables = st.sampled_from(["op", "session", *SIDES, "x", *columns])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        ["&&", "||", "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%"]
    )
    macros = st.sampled_from(["all", "exists", "exists_one", "map", "filter"])
    calls = st.sampled_from(
        ["size", "int", "double", "string", "bytes", "type", "dyn", "timestamp"]
    )
    methods = st.sampled_from(["contains", "startsWith", "endsWith", "matches", "size", "getHours"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("{} {} {}".format, inner, operators, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{}{}".format, st.sampled_from("!-"), inner),
        st.builds("{}.{}".format, inner, st.sampled_from(COLUMNS)),
        st.builds("has({}.{})".format, inner, st.sampled_from(COLUMNS)),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds("{}({})".format, calls, inner),
        st.builds("{}.{}({})".format, inner, methods, inner),
        st.builds("{}.{}(x, {})".format, inner, macros, inner),
    )


expressions = st.recursive(literals | variables, combined, max_leaves=12)


def problems(source: str) -> tuple[Problem, ...]:
    try:
        compiled(source)
    except InvalidConditionError as error:
        return error.problems
    return ()


def ask(source: str, op: str, rows: dict[str, Any]) -> object:
    """True, false, or the text of the error."""
    old, new = (None if rows[side] is None else json.dumps(rows[side]).encode() for side in SIDES)
    change = event(1, op, old=old, new=new)
    try:
        return compiled(source).holds(op, Images(change), Naming({}, frozenset({"b"})))
    except ConditionError as error:
        return str(error)


@given(
    expressions | expressions.map("({}) == true".format) | expressions.map("dyn({})".format),
    st.sampled_from(["INSERT", "UPDATE", "DELETE"]),
    st.fixed_dictionaries({"old": images, "new": images}),
)
def test_a_condition_says_true_or_false_or_why_not_and_always_the_same(
    source: str, op: str, rows: dict[str, Any]
) -> None:
    if problems(source):
        return
    said = ask(source, op, rows)
    assert said in {True, False} or str(said).startswith("condition: ")
    assert ask(source, op, rows) == said


@given(expressions)
def test_what_is_read_is_written_as_the_evaluator_reads_it(source: str) -> None:
    try:
        tree = parse(source)
    except FlawError:
        return
    text = write(tree)
    assert write(parse(text)) == text
    cel.compile(text)


@given(st.text() | st.text(alphabet="newold.opab \"'\\()[]{}!=<>&|?:,+-*/%0123456789\n"))
def test_any_text_is_a_condition_or_told_to_be_none_with_its_place(source: str) -> None:
    lines = 1 + source.count("\n")
    assert all(1 <= problem.place.line <= lines for problem in problems(source))
