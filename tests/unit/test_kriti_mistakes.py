"""The language: what is said of a template that is wrong, fails, or takes too long."""

from __future__ import annotations

import pytest
from support.kriti import NAMES, failure, json, problems

from cdc_triggers.core.kriti import limits, values
from cdc_triggers.core.kriti.limits import Budget
from cdc_triggers.core.kriti.template import Inputs, compiled
from cdc_triggers.errors import TemplateError

# ---- what is wrong before it runs


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "line 1, column 1: is empty: write JSON"),
        ("  # only a comment", "line 1, column 1: is empty"),
        (
            '{"a": {{ $bdy.x }}}',
            "line 1, column 10: there is no variable $bdy: did you mean $body?",
        ),
        ("{{ body.x }}", "line 1, column 4: there is no variable body: did you mean $body?"),
        ("{{ SHOP_URL }}", "line 1, column 4: there is no variable SHOP_URL: write one of"),
        ("{{ x?.y }}", "line 1, column 4: there is no variable x"),
        ("{{ range i, x := [1] }} 1 {{ end }} == x", "line 1, column 40: there is no variable x"),
        (
            "{{ toUper($body.s) }}",
            "line 1, column 4: there is no function toUper: did you mean toUp",
        ),
        ("{{ concat(1, 2) }}", "line 1, column 12: unexpected `,`: here belongs `)`, the end of"),
        ("{{ if true }} 1 {{ end }}", "line 1, column 1: this if has no else: write {{ else }}"),
        (
            "{{ if true }} 1 {{ else }} 2",
            "line 1, column 1: this block never ends: write {{ end }}",
        ),
        ("{{ range i, x := [1] }} 1", "line 1, column 1: this block never ends"),
        (
            "{{ range i := [1] }} 1 {{ end }}",
            "line 1, column 12: unexpected `:=`: here belongs `,`",
        ),
        ("{{ range i, _ := [1] }} 1 {{ end }}", "line 1, column 1: this range gives its elements"),
        ("{{ end }}", "line 1, column 4: unexpected `end`: here belongs a value"),
        ("{{ 1 < 2 < 3 }}", "line 1, column 10: comparisons cannot be chained"),
        ("{{ $body. }}", "line 1, column 11: unexpected `}`: here belongs the name of a key"),
        ("{{ $body.x", "line 1, column 11: unexpected the end of the template: here belongs `}}`"),
        ("{{ $body.x }", "line 1, column 12: unexpected `}`: here belongs `}}`"),
        ("[1 2]", "line 1, column 4: unexpected `2`: here belongs `,` or `]`"),
        ("[1,]", "line 1, column 4: unexpected `]`: here belongs a value"),
        ("1 2", "line 1, column 3: unexpected `2`: here belongs the end"),
        ("01", "line 1, column 2: unexpected `1`: here belongs the end"),
        ('{"a" 1}', "line 1, column 6: unexpected `1`: here belongs `:`"),
        ("{a: 1}", "line 1, column 2: unexpected `a`: here belongs a key in double quotes"),
        ('{"a": 1, "a": 2}', "line 1, column 10: the key 'a' stands here a second time"),
        ('{"{{ $body.s }}": 1}', "line 1, column 2: a key holds no expression: write {{ fromPairs"),
        ("'a'", "line 1, column 1: text stands in double quotes"),
        ('"abc', 'line 1, column 1: this text never ends: write " behind it'),
        ("{{ $body['a }}", "line 1, column 10: this key never ends"),
        ('"\\x"', "line 1, column 2: \\x is no escape of JSON: write \\\\ for a backslash"),
        ('\n "\\u12"', "line 2, column 3: \\u is no escape of JSON"),
        ("{{ 1 + 1 }}", "line 1, column 6: unexpected '+': there is no arithmetic in Kriti"),
        ("{{ 1 & 1 }}", "line 1, column 6: unexpected '&': write && for and"),
        ("{{ !true }}", "line 1, column 4: unexpected '!': write not"),
        ("(" * 65 + "1" + ")" * 65, "line 1, column 65: is nested deeper than 64 levels"),
        ("not " * 65 + "true", "line 1, column 256: is nested deeper than 64 levels"),
        ("head " * 65 + "[]", "line 1, column 320: is nested deeper than 64 levels"),
        ("$body" + ".a" * 250, "line 1, column 1: chains more than 200 lookups or operators"),
        (" || ".join(["true"] * 250), "line 1, column 1: chains more than 200 lookups"),
        ('"' + "a" * 65_536 + '"', "line 1, column 1: is longer than 65536 characters"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(source: str, expected: str) -> None:
    (problem,) = problems(source)
    assert problem.startswith(expected)


def test_all_mistakes_of_a_template_come_in_one_run_in_their_order() -> None:
    source = """{
  "a": {{ $bdy }},
  "b": {{ nope(1) }},
  "c": [1,, {{ $bdy }}],
  "d": {{ $body. }},
  "e" 3,
  "f": {"g": 'x'}
}"""
    found = [problem.partition(": ")[0] for problem in problems(source)]
    assert found == [
        "line 2, column 11",
        "line 3, column 11",
        "line 4, column 11",
        "line 4, column 16",
        "line 5, column 18",
        "line 6, column 7",
        "line 7, column 14",
    ]


def test_text_in_a_url_is_not_json_but_its_expressions_are_checked() -> None:
    assert problems("{{ENV}}/a?b={{ $body.", free=True)[0].startswith("line 1, column 22: unexpect")
    assert "the environment is seen by `webhook`" in problems("{{ENV}}/a", free=True)[0]
    assert problems("a\\", free=True)[0].startswith("line 1, column 2: a backslash at the end")


# ---- what goes wrong when it runs


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{\n "a": {{ $body.missing }}}', "line 2, column 15: $body has no key 'missing': write ?"),
        ("{{ $body.o.x.y }}", "line 1, column 11: $body.o has no key 'x'"),
        ("{{ $body.n.x }}", "line 1, column 11: $body.n is null, not an object: write ? before"),
        ("{{ $body.s.x }}", "line 1, column 11: $body.s is a string, not an object"),
        ("{{ $body.s?.x }}", "line 1, column 11: $body.s is a string, not an object"),
        ("{{ $body.xs[3] }}", "line 1, column 12: $body.xs has 3 elements: the first is [0]"),
        ("{{ $body.xs[-1] }}", "line 1, column 12: $body.xs has 3 elements"),
        ("{{ $body.xs[0.5] }}", "line 1, column 12: $body.xs has 3 elements"),
        ("{{ $body.xs[1e9999999999] }}", "line 1, column 12: $body.xs has 3 elements"),
        ("{{ $body.xs.a }}", "line 1, column 12: $body.xs is an array: its keys are numbers"),
        ("{{ $body[0] }}", "line 1, column 9: $body is an object: its keys are strings"),
        ("{{ $body.o['a b'].c[1] }}", "line 1, column 20: $body.o['a b'].c has 1 elements"),
        ("{{ if $body.n }} 1 {{ else }} 2 {{ end }}", "line 1, column 12: a condition is true or"),
        (
            "{{ $body.id && true }}",
            "line 1, column 13: a condition is true or false, and this is a ",
        ),
        ("{{ true && $body.id }}", "line 1, column 9: a condition is true or false"),
        ("{{ 1 < null }}", "line 1, column 6: a number and null have no order"),
        ("{{ [1] < [2] }}", "line 1, column 8: an array and an array have no order"),
        ("{{ 1 in 2 }}", "line 1, column 6: `in` looks into an array or an object, not a number"),
        ("{{ 1 in {} }}", "line 1, column 6: the keys of an object are strings, and this is a num"),
        ("{{ range i, x := $body.o }} 1 {{ end }}", "line 1, column 23: $body.o is an object, and"),
        ("{{ 1e99999999999999999999 < 1 }}", "line 1, column 27: the exponent of a number is too"),
        ("{{ 1e99999999999999999999 == 1 }}", "line 1, column 27: the exponent of a number is too"),
    ],
)
def test_a_failure_names_the_path_as_written_and_its_place(source: str, expected: str) -> None:
    assert failure(source).startswith(expected)


def test_a_failure_holds_no_value_of_the_row() -> None:
    body = '{"s": "s3cr3t", "xs": ["s3cr3t"], "o": {"s3cr3t": 1}}'
    for source in (
        "{{ $body.s.x }}",
        "{{ $body.xs[$body.s] }}",
        "{{ $body.o[head($body.s)] }}",
        "{{ $body.s < 1 }}",
        "{{ head(tail($body.xs)) }}",
        "{{ getSessionVariable($body.s) }}",
    ):
        assert "s3cr3t" not in failure(source, body)


# ---- limits


@pytest.mark.parametrize(
    "source",
    [
        "{{ range _, a := $body }} {{ range _, b := $body }} 1 {{ end }} {{ end }}",
        "{{ range _, a := $body }} $body == {{ range _, b := $body }} b {{ end }} {{ end }}",
        '{{ range _, a := $body }} "{{ $body }}{{ $body }}{{ $body }}" {{ end }}',
        "{{ range _, a := $body }} concat([$body, $body]) {{ end }}",
        '{{ range _, a := $body }} toUpper("{{ $body }}") {{ end }}',
        "{{ range _, a := $body }} -1 in $body {{ end }}",
    ],
)
def test_a_loop_that_takes_too_long_is_ended(source: str) -> None:
    body = "[" + ",".join(map(str, range(1000))) + "]"
    assert f"takes more than {limits.STEPS} steps" in failure(source, body)


LONG = "7" * 1_000_000
NAMED = ",".join(f'"{number}": 0' for number in range(10_000))


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("empty($body.n)", f'"n": {LONG}'),
        ("inverse($body.n)", f'"n": {LONG}'),
        ("$body.a?[$body.n]", f'"n": {LONG}, "a": [0]'),
        ("$body.a[0.0{zeros}]", '"a": [0]'),
        ("$body.a == $body.b", f'"a": {{{NAMED}, "x": 0}}, "b": {{{NAMED}, "y": 0}}'),
        ("$body.s in $body.a", f'"s": "{LONG}", "a": {{"{LONG}": 0}}'),
        ("$body.a[$body.s]", f'"s": "{LONG}", "a": {{"{LONG}": 0}}'),
        ("$body.a?[$body.s]", f'"s": "{LONG}", "a": {{"{LONG}": 0}}'),
    ],
)
def test_long_numbers_and_names_cost_what_they_take(source: str, more: str) -> None:
    """Each of these takes milliseconds, and a loop may hold it thousands of times."""
    body = f'{{"xs": [{", ".join("0" * 1000)}], {more}}}'
    source = source.replace("{zeros}", "0" * 10_000)
    looped = f"{{{{ range _, x := $body.xs }}}} {{{{ {source} }}}} {{{{ end }}}}"
    assert f"takes more than {limits.STEPS} steps" in failure(looped, body)


@pytest.mark.parametrize("function", ["toTitle", "escapeUri"])
def test_text_that_is_made_bit_by_bit_costs_more_than_a_copy(function: str) -> None:
    """Four megabytes took up to a second, in which nothing else was delivered."""
    body = '{"s": "' + "\u0444 " * 2_000_000 + '"}'
    assert json("{{ size(toUpper($body.s)) }}", body) == "4000000"
    assert f"takes more than {limits.STEPS} steps" in failure(
        f"{{{{ {function}($body.s) }}}}", body
    )


def test_text_outside_of_json_costs_more_than_a_copy() -> None:
    inputs = Inputs({"$body": "\u0444" * 2_000_000}, None)
    with pytest.raises(TemplateError, match="takes more than"):
        compiled("{{$body}}", NAMES, free=True).text(inputs, Budget())


def test_json_of_more_values_than_are_looked_at_in_time_is_not_written() -> None:
    body = "[" + ",".join(["{}"] * (limits.VALUES // 4)) + "]"
    assert json("{{ [$body, $body, $body] }}", body).count("{}") == 3 * (limits.VALUES // 4)
    found = failure("{{ [$body, $body, $body, $body] }}", body)
    assert f"gives JSON that holds more than {limits.VALUES} values" in found


def test_json_that_grows_without_measure_is_refused_before_it_is_made() -> None:
    level = "$body"
    for _ in range(6):
        level = f"{{{{ range _, x := [{level}] }}}} [{', '.join(['x'] * 20)}] {{{{ end }}}}"
    assert "gives more than" in failure(level, '"' + "a" * 1000 + '"')
    assert "steps" in failure(f'"{{{{ {level} }}}}"', '"' + "a" * 1000 + '"')


def test_a_body_with_too_many_numbers_or_levels_is_not_read() -> None:
    with pytest.raises(values.TooLargeError, match="more than 2 numbers"):
        values.read(b"[1,2,3]", 2)
    with pytest.raises(values.TooLargeError, match="nested too deep"):
        values.read(b"[" * 100_000 + b"]" * 100_000, 2)


@pytest.mark.parametrize("many", [b"[],[],[]", b"{},{},{}", b'"","",null', b'[[[""]]]'])
def test_a_body_with_too_many_values_is_not_read(many: bytes) -> None:
    values.read(b"[%b]" % many, 2, 9)
    with pytest.raises(values.TooLargeError, match="more than 3 values"):
        values.read(b"[%b]" % many, 2, 3)


@pytest.mark.parametrize("text", [b"[,{,[,{", b'\\",[,{,[,', b"[,{,[\\\\", b'\\\\\\",[,{,'])
def test_what_stands_in_a_string_is_no_value(text: bytes) -> None:
    values.read(b'["%b",{"%b":true}]' % (text, text), 2, 5)


@pytest.mark.parametrize("raw", [b"{", b"NaN", b"[Infinity]", b"\xff", b""])
def test_what_is_not_json_is_not_read(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"[a-zA-Z]"):
        values.read(raw, 10)


def test_deep_values_are_passed_on() -> None:
    deep = "[" * 400 + "1.0" + "]" * 400
    assert json("{{ $body }}", deep) == deep
    assert json('"{{ $body }}"', deep) == f'"{deep}"'
    assert json("{{ $body == $body }}", deep) == "true"
