"""Laws of the template language: whatever is written, and whatever it is run on."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.kriti import limits, values
from cdc_triggers.core.kriti.functions import FUNCTIONS
from cdc_triggers.core.kriti.limits import Budget
from cdc_triggers.core.kriti.problems import InvalidTemplateError
from cdc_triggers.core.kriti.template import Inputs, compiled
from cdc_triggers.errors import TemplateError

if TYPE_CHECKING:
    from cdc_triggers.core.problems import Problem

NAMES = frozenset({"$body"})

numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
)
texts = st.text(max_size=12)


class Raw(str):
    """A number as text."""

    __slots__ = ()


documents: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers.map(Raw) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def dump(value: object) -> str:
    """JSON text in which every number stands as it was drawn, and no text opens an expression."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("{", "\\u007b")
    if isinstance(value, list):
        return f"[{', '.join(map(dump, value))}]"
    if isinstance(value, dict):
        return "{" + ",\n".join(f"{dump(k)} : {dump(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def load(text: str) -> object:
    """Parsed, numbers as their text."""
    return json.loads(text, parse_int=Raw, parse_float=Raw)


def render(source: str, body: object = None) -> str:
    inputs = Inputs({"$body": values.read(dump(body).encode(), 10_000)}, None)
    return compiled(source, NAMES).json(inputs, Budget()).decode()


@given(documents)
def test_a_template_without_expressions_is_itself_digit_by_digit(document: object) -> None:
    assert load(render(dump(document))) == load(dump(document))


@given(documents)
def test_what_is_taken_from_the_body_keeps_its_digits(document: object) -> None:
    assert load(render('{"a": {{ $body }}}', document)) == {"a": load(dump(document))}
    assert load(render("{{ concat([[$body], [$body]]) }}", document)) == [load(dump(document))] * 2


@given(documents, documents)
def test_equality_is_that_of_json(one: object, other: object) -> None:
    def plain(value: object) -> object:
        if isinstance(value, Raw):
            number = values.Number(str(value)).decimal()
            return ("number", number)
        if isinstance(value, list):
            return ["list", *map(plain, value)]
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        return (type(value).__name__, value)

    pair = [one, other]
    assert render("{{ $body[0] == $body[0] }}", pair) == "true"
    expected = "true" if plain(one) == plain(other) else "false"
    assert render("{{ $body[0] == $body[1] }}", pair) == expected
    assert render("{{ $body[1] != $body[0] }}", pair) != expected


pieces = st.sampled_from(
    [
        *("{{", "}}", "{", "}", "[", "]", "(", ")", '"', "'", ",", ":", ".", "?", "??", ":=", "_"),
        *("$body", "x", "i", "if", "elif", "else", "end", "range", "in", "not", "true", "null"),
        *("==", "!=", "<", ">=", "&&", "||", "1", "-1.5e3", "\\", "\\u00e9", "#", "\n", " ", "é"),
        *("{{ if true }}", "{{ else }}", "{{ end }}", "{{ range i, x := $body }}", "'a b'"),
        *FUNCTIONS,
    ]
)


def check_places(source: str, problems: tuple[Problem, ...]) -> None:
    assert problems
    lines = source.split("\n")
    for place, _ in problems:
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1


def never_anything_but_a_template_error(source: str, body: object, *, free: bool) -> None:
    try:
        template = compiled(source, NAMES, free=free)
    except InvalidTemplateError as invalid:
        check_places(source, invalid.problems)
        return
    inputs = Inputs({"$body": values.read(dump(body).encode(), 10_000)}, {"x-hasura-a": "b"})
    budget = Budget(2_000)
    message = "line 1, column 1: none"
    try:
        made = template.json(inputs, budget)
        assert len(made) <= limits.OUTPUT_BYTES
        load(made.decode())
        text = template.text(inputs, budget)
        assert text is None or isinstance(text, str)
    except TemplateError as error:
        message = error.message
    assert re.match(r"line \d+, column \d+: \S", message)
    assert budget.left <= 2_000


@given(st.lists(pieces, max_size=25), documents)
def test_any_pieces_of_the_language_run_or_are_refused(parts: list[str], body: object) -> None:
    never_anything_but_a_template_error(" ".join(parts), body, free=False)
    never_anything_but_a_template_error("".join(parts), body, free=True)


@given(st.text(alphabet=st.characters(), max_size=60), documents)
def test_any_text_runs_or_is_refused(source: str, body: object) -> None:
    never_anything_but_a_template_error(source, body, free=False)
    never_anything_but_a_template_error(source, body, free=True)


ATOMS = ("$body", "x", "null", "true", "1", '"s"', "[]", "{}", "$body?.a[0]")
FORMS = (
    "(A == B)",
    "(A < B)",
    "(A && B)",
    "(A || B)",
    "(A ?? B)",
    "(A in B)",
    "(A ? B : C)",
    "not A",
    "{{ if A }} B {{ else }} C {{ end }}",
    "{{ range i, x := A }} B {{ end }}",
    "[A, B, C]",
    '{"k": A, "l": B}',
    '"a {{ A }} b {{ B }}"',
    "(A).k",
    "(A)[B]",
    "(A)?.k[B]",
    *(f"{name}(A)" for name in FUNCTIONS),
)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Templates that are valid, if not sensible."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(ATOMS))
    form = draw(st.sampled_from(FORMS))
    return re.sub(r"\b[ABC]\b", lambda _: draw(expressions(depth - 1)), form)


@given(expressions(), documents)
def test_every_valid_template_gives_json_or_fails_at_a_place(source: str, body: object) -> None:
    source = f"{{{{ range _, x := [1, [2]] }}}} {source} {{{{ end }}}}"
    compiled(source, NAMES)
    never_anything_but_a_template_error(source, body, free=False)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_steps_are_bounded_whatever_is_nested(sizes: list[int]) -> None:
    body = [[Raw("1")] * size for size in sizes]
    source = "1"
    for depth in range(len(sizes)):
        source = f"{{{{ range _, v{depth} := $body[{depth}] }}}} {source} {{{{ end }}}}"
    turns = 1
    for size in reversed(sizes):
        turns *= size
    made = None
    with contextlib.suppress(TemplateError):
        made = render(source, body)
    if made is not None:
        assert made.count("1") == turns
    assert (turns <= limits.STEPS) or made is None
