"""The language: what a template gives."""

from __future__ import annotations

import pytest
from support.kriti import NAMES, failure, json, text

from cdc_triggers.core.kriti.functions import FUNCTIONS
from cdc_triggers.core.kriti.template import compiled

# ---- what a template gives


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # literals
        ('{"a": [1, "b", true, false, null], "": {}}', '{"a":[1,"b",true,false,null],"":{}}'),
        ("[1.0, -0, 1e400, 0.10, 1234567890123456]", "[1.0,-0,1e400,0.10,1234567890123456]"),
        ('"\\u00e9\\n\\/\\ud83d\\ude00"', '"é\\n/😀"'),
        ('"\\ud800"', '"\\ud800"'),
        ("# a comment\n[1, # another\n 2]", "[1,2]"),
        ('{"a":{"b":{"c":{}}}}', '{"a":{"b":{"c":{}}}}'),
        # expressions, with braces and without
        ('{"a": {{ $body.id }}}', '{"a":1.10}'),
        ('{"a": $body.id}', '{"a":1.10}'),
        ("{{ 2 }}", "2"),
        ('{{ {"a": {"b": 1}} }}', '{"a":{"b":1}}'),
        ("({{ $body.big }})", "12345678901234567890123"),
        ("{{ $body.far }}", "1e400"),
        # paths
        ("{{ $body.o['a b'].c[0] }}", "5"),
        ('{{ $body.o["a b"]["c"][0] }}', "5"),
        ("{{ $body.o.x-y }}", "1"),
        ("{{ $body.xs[$body.xs[0]] }}", "2"),
        ("{{ $body.xs[1.0] }}", "2"),
        # optional lookups
        ("{{ $body?.missing }}", "null"),
        ("{{ $body?.missing.deep['er'][7] }}", "null"),
        ("{{ $body.o?['a b'].c[0] }}", "5"),
        ("{{ $body.xs?[9] }}", "null"),
        ("{{ $body.xs?[-1] }}", "null"),
        ("{{ $body.n?.x }}", "null"),
        ("{{ $body.missing?.x }}", "null"),
        ("{{ $body?.xs.name }}", "null"),
        # defaulting
        ("{{ null ?? 1 }}", "1"),
        ("{{ null ?? null ?? 2 }}", "2"),
        ("{{ $body?.missing ?? $body.id }}", "1.10"),
        ("{{ false ?? 1 }}", "false"),
        ("{{ $body.s ?? $body.missing }}", '"a b/c"'),
        # strings
        ('"x {{ $body.id }}{{ $body.s }} {{true}} {{ $body.n }} {{ $body.xs }}"',
         '"x 1.10a b/c true null [1,2,3]"'),
        ('"{a} }} {{ "b" }} { {"', '"{a} }} b { {"'),
        ('"{{ concat(["a", "{{ 1 }}"]) }}"', '"a1"'),
        # conditions
        ("{{ if $body.yes }} 1 {{ else }} 2 {{ end }}", "1"),
        ("{{ if $body.no }} 1 {{ elif $body.yes }} 2 {{ else }} 3 {{ end }}", "2"),
        ("{{ if $body.no }} 1 {{ elif $body.no }} 2 {{ else }} 3 {{ end }}", "3"),
        ("{{ if true }} {{ if false }} 1 {{ else }} [2] {{ end }} {{ else }} 3 {{ end }}", "[2]"),
        ("{{ $body.yes ? 1 : 2 }}", "1"),
        ("{{ $body.no ? 1 : $body.yes ? [2] : 3 }}", "[2]"),
        # loops
        ("{{ range i, x := $body.xs }} [{{i}}, {{x}}] {{ end }}", "[[0,1],[1,2],[2,3]]"),
        ('{{ range _, x := $body.xs }} "t{{x}}" {{ end }}', '["t1","t2","t3"]'),
        ("{{ range _, x := [[1], [2]] }} {{ range _, x := x }} x {{ end }} {{ end }}", "[[1],[2]]"),
        ("{{ range _, x := $body.none }} {{ $body.missing }} {{ end }}", "[]"),
        ("{{ range _, size := [1] }} size {{ end }}", "[1]"),
        # operators
        ("{{ 1 == 1.0 }}", "true"),
        ("{{ $body.id == $body.same }}", "true"),
        ('{{ {"a": 1, "b": [2]} == {"b": [2.0], "a": 1} }}', "true"),
        ("{{ [1, 2] != [1, 3] }}", "true"),
        ('{{ "1" == 1 }}', "false"),
        ("{{ null == false }}", "false"),
        ("{{ true == 1 }}", "false"),
        ("{{ 2 < 10 && 10 >= 10 && 1e400 > 1 && 2 <= 2 }}", "true"),
        ('{{ "10" < "2" }}', "true"),
        ("{{ false < true }}", "true"),
        ("{{ 2 in $body.xs }}", "true"),
        ("{{ [1] in [[1.0]] }}", "true"),
        ('{{ "a b" in $body.o }}', "true"),
        ('{{ "a" in $body.o || "b" in $body.o }}', "false"),
        # precedence, and what is not evaluated
        ("{{ true || false && false }}", "true"),
        ("{{ not false && false }}", "false"),
        ("{{ not 1 == 2 }}", "true"),
        ("{{ not(true) == false }}", "true"),
        ("{{ null ?? 1 == 1 }}", "true"),
        ("{{ false && $body.missing }}", "false"),
        ("{{ true || $body.missing }}", "true"),
        # functions without parentheses, as in older templates
        ("{{ toUpper (head $body.s) }}", '"A"'),
        ("{{ concat [[1], [2]] }}", "[1,2]"),
        ("{{ removeNulls {{ range i, x := $body.xs }} i > 0 ? x : null {{ end }} }}", "[2,3]"),
    ],
)  # fmt: skip
def test_a_template_gives(source: str, expected: str) -> None:
    assert json(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{$base_url}}/{{ escapeUri($body.s) }}", "https://shop/hook/a%20b%2Fc"),
        ("plain", "plain"),
        ("", ""),
        ('W/"{{ $body.id }}"', 'W/"1.10"'),
        ('a \\" \\\\ {b} }}\n', 'a " \\ {b} }}\n'),
        ("{{ $body.n }}", None),
        ("{{ $body.n }} ", "null "),
        ("{{ $body.xs }}", "[1,2,3]"),
        ('{{ concat ([concat({{ range _, x := $body.xs }} "tags={{x}}&" {{ end }}), "f=1"]) }}',
         "tags=1&tags=2&tags=3&f=1"),
    ],
)  # fmt: skip
def test_a_template_for_text_gives(source: str, expected: str | None) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("concat([[1, 2], [3]])", "[1,2,3]"),
        ('concat(["ab", "", "c"])', '"abc"'),
        ('concat([{"a": 1, "b": 2}, {"b": 3}])', '{"a":1,"b":3}'),
        ("concat([])", "[]"),
        ('empty("  \\n")', "true"),
        ("empty({})", "true"),
        ("empty([0])", "false"),
        ("empty(0.00)", "true"),
        ("empty(null)", "true"),
        ('escapeUri("a b/ü?~-_.")', '"a%20b%2F%C3%BC%3F~-_."'),
        ('fromPairs([["a", 1], ["b", [2]], ["a", 3]])', '{"a":3,"b":[2]}'),
        ('getSessionVariable("X-Hasura-ROLE")', '"admin"'),
        ("getSessionVariable(null)", "null"),
        ("head([3, 4])", "3"),
        ('head("éa")', '"é"'),
        ("inverse(4)", "0.25"),
        ("inverse(3)", "0.3333333333333333333333333333333333"),
        ('inverse("abc")', '"cba"'),
        ("inverse([1, 2])", "[2,1]"),
        ("inverse(true)", "false"),
        ('inverse({"a": 1})', '{"a":1}'),
        ("inverse(null)", "null"),
        ("not(false)", "true"),
        ("removeNulls([1, null, false, null])", "[1,false]"),
        ('size("é😀")', "2"),
        ("size([1, 2])", "2"),
        ('size({"a": 1})', "1"),
        ("size(1.50)", "1.50"),
        ("size(true)", "1"),
        ("size(null)", "0"),
        ("tail([1, 2, 3])", "[2,3]"),
        ('tail("abc")', '"bc"'),
        ('toCaseFold("Straße")', '"strasse"'),
        ('toLower("ABC")', '"abc"'),
        ('toPairs({"b": 1, "a": 2})', '[["b",1],["a",2]]'),
        ('toTitle("AbCd the kid\'s 2nd")', '"Abcd The Kid\'s 2Nd"'),
        ('toUpper("abc")', '"ABC"'),
    ],
)
def test_a_function_gives(call: str, expected: str) -> None:
    assert json(f"{{{{ {call} }}}}") == expected


@pytest.mark.parametrize(
    "call",
    [
        "concat([1])",
        'concat(["a", []])',
        "concat(1)",
        "empty(true)",
        "escapeUri(1)",
        'escapeUri("\\ud800")',
        "fromPairs([[1, 2]])",
        'fromPairs([["a"]])',
        'getSessionVariable("x-nobody")',
        "getSessionVariable(1)",
        "head([])",
        'head("")',
        "head(1)",
        "inverse(0)",
        "inverse(1e-99999999999999999999)",
        "not(null)",
        "removeNulls({})",
        "tail([])",
        "tail(null)",
        "toCaseFold(1)",
        "toLower([])",
        "toPairs([])",
        "toTitle(null)",
        "toUpper(true)",
    ],
)
def test_a_function_refuses_what_it_does_not_take_and_says_its_name_and_place(call: str) -> None:
    name = call.partition("(")[0]
    assert failure(f"[\n  {call}\n]").startswith(f"line 2, column 3: {name} ")


def test_every_function_was_tried() -> None:
    assert {
        "concat", "empty", "escapeUri", "fromPairs", "getSessionVariable", "head", "inverse",
        "not", "removeNulls", "size", "tail", "toCaseFold", "toLower", "toPairs", "toTitle",
        "toUpper",
    } == set(FUNCTIONS)  # fmt: skip


def test_a_template_is_compiled_once() -> None:
    assert compiled("{{ $body.id }}", NAMES) is compiled("{{ $body.id }}", NAMES)


def test_what_a_template_uses_is_known() -> None:
    found = compiled('{"a": {{ $base_url }}, "b": getSessionVariable("x")}', NAMES)
    assert found.used == {"$base_url", "getSessionVariable"}
