"""What keeps a condition from being used: said before the first event, with its place."""

from __future__ import annotations

import pytest

from cdc_triggers.core.cel.functions import Type
from cdc_triggers.core.cel.problems import InvalidConditionError
from cdc_triggers.core.condition import DEPTH, MACRO_DEPTH, SOURCE_CHARACTERS, compiled

COLUMNS = {
    "id": Type.INT,
    "status": Type.STRING,
    "total": Type.DOUBLE,
    "paid": Type.BOOL,
    "tags": Type.LIST,
    "data": Type.DYN,
    "address": Type.MAP,
}


def said(source: str) -> str:
    with pytest.raises(InvalidConditionError) as caught:
        compiled(source)
    return "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "line 1, column 1: is empty"),
        ("  \n ", "is empty"),
        ("new.a ==", "line 1, column 9: ends where a value is missing"),
        ("new.a = 1", "line 1, column 7: `=` alone means nothing: write `==`"),
        ("new.a & new.b", "write `&&`"),
        ("new.a == 1 and new.b == 2", "column 12: `and` stands where an operator, or the end"),
        ("new.a is null", "CEL writes `==`"),
        ("(new.a == 1", "ends where `)` is missing"),
        ("new.a == 1)", "`)` stands where an operator"),
        ('new.a == "x', "text is not closed"),
        ('new.a == "x\ny"', "text is not closed"),
        ("new.a == #1", "line 1, column 10: '#' is no part of CEL"),
        ("new.\n  in", "line 2, column 3: `in` stands where the name of a field"),
        (r'new.a == "\d"', r"\d is no escape"),
        (r'new.a == "\ud800"', "is no character of Unicode"),
        (r'b"\u0041" == b"A"', "means nothing in bytes"),
        ("new.a == 9223372036854775808", "a whole number has 64 bits"),
        ("new.a == 18446744073709551616u", "a whole number has 64 bits"),
        ("new.a == 1e999", "beyond what a double can hold"),
        ("new.a == 10a", "a number ends in letters"),
        ("if == 1", "`if` is reserved in CEL"),
        ("has(new)", "has() takes one field"),
        ("new.tags.all(1, true)", "all() takes a name and what to do with it"),
        ("new.tags.all(t)", "all() takes a name and what to do with it"),
        ("(" * 30 + "true" + ")" * 30, "is nested more than 24 deep"),
        ("!" * 40 + "true", "is nested more than 24 deep"),
        (" || ".join(["new.a == 1"] * (DEPTH + 1)), f"builds more than {DEPTH} operators"),
        (f'op == "{"x" * SOURCE_CHARACTERS}"', f"at most {SOURCE_CHARACTERS}"),
    ],
)
def test_what_is_not_cel_is_told_with_its_place(source: str, expected: str) -> None:
    assert expected in said(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("status == 'paid'", "unknown name status: there are old, new, op and session"),
        ("nwe.status == 'paid'", "unknown name nwe: did you mean new?"),
        ("new.status.lower() == 'x'", "unknown function lower()"),
        ("sizee(new.tags) == 1", "unknown function sizee(): did you mean size()?"),
        ("contains(new.a, 'x')", 'contains() is written so: new.name.contains("x")'),
        ("size(new.a, 1) == 1", "size() is written so"),
        ("op", "a condition takes bool, and this is string"),
        ("1", "a condition takes bool, and this is int"),
        ("op == 1", "string never equals int"),
        ("op > 1", "`>` cannot compare string and int"),
        ("op && true", "`&&` takes bool, and this is string"),
        ("!op", "`!` takes bool"),
        ("-op == 1", "`-` takes int or double, not string"),
        ("1 + 1.0 == 2.0", "takes two values of one type, not int and double: write 1.0 for 1"),
        ("2.0 % 2.0 == 0.0", "`%` means nothing for double"),
        ("null > 1", "`>` cannot compare null"),
        ('"a" in op', "`in` looks into a list or a map, not string: write new.name.contains"),
        ("op in [1]", "string never equals int"),
        ("op.x == 1", "string has no field x"),
        ("[1]['a'] == 1", "an element of a list has a number"),
        ("op.exists(x, x == 1)", "exists() goes through a list or a map, not string"),
        ("new.tags.exists(op, op == 1)", "the name op is taken"),
        ("new.a.exists(x, new.b.exists(x, x == 1))", "the name x is taken"),
        ("new.tags.exists(x, 1)", "exists() takes bool, and this is int"),
        ("size(1) == 1", "size() takes bytes, or list, or map, or string, not int"),
        ("new.a.matches(new.b)", "matches() takes a pattern in quotes"),
        ('new.a.matches("(")', "matches() can do nothing with this pattern"),
        ('timestamp("x") > timestamp("y")', "timestamp() can do nothing with this value"),
        ('timestamp(new.at) > "2026-01-01"', "write timestamp(...) around the text"),
        ('duration("1x") > duration("1h")', "duration() can do nothing"),
        ("now() > timestamp(new.at)", "unknown function now()"),
    ],
)
def test_what_can_never_work_is_told_with_its_place(source: str, expected: str) -> None:
    assert expected in said(source)


def test_every_mistake_is_told_at_once_in_its_order() -> None:
    lines = said("nwe.a == 1 &&\n op == 1 &&\n lower(new.b)").splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "line 1, column 1",
        "line 2, column 5",
        "line 3, column 2",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("new.total + 1 > 5", "`+` takes two values of one type, not double and int"),
        ("new.id + 1.5 > 5", "`+` takes two values of one type, not int and double"),
        ("new.status == 1", "string never equals int"),
        ("new.status > old.total", "`>` cannot compare string and double"),
        ('"a" in new.status', "`in` looks into a list or a map, not string"),
        ("new.status", "a condition takes bool, and this is string"),
        ("new.status.x == 1", "string has no field x"),
        ("new.tags == 1", "list never equals int"),
        ('new["id"] == "1"', "int never equals string"),
    ],
)
def test_with_the_types_of_the_table_more_is_known(source: str, expected: str) -> None:
    problems = compiled(source).problems(COLUMNS)
    assert [expected in str(problem) for problem in problems] == [True]


@pytest.mark.parametrize(
    "source",
    [
        "new.total > 5 && new.id > 1.5 && new.paid",
        "new.data.a.b[0] == 1 && new.data",
        'new.status == null || new.address.city == "X"',
        "new.id in [1, 2] && new.tags.size() > 1",
        "timestamp(new.status) > timestamp(old.status)",
        "double(new.id) + new.total > 1.0",
    ],
)
def test_what_fits_the_types_of_the_table_is_accepted(source: str) -> None:
    assert compiled(source).problems(COLUMNS) == ()


@pytest.mark.parametrize(
    "source",
    [
        "new.a.all(x, new.b.all(y, new.c.all(z, x == y && y == z)))",
        "[op].map(x, " + "x + " * 20 + "x)" + ".map(x, x + x)" * 20 + ".size() > 1",
        r'new.a.exists(x, x.matches("\\w{50}"))',
        r'op.matches("((\\w{30}){30}){30}")',
        "new.a.filter(x, new.b.filter(y, new.b.exists(z, z == y)).size() > 1).size() > 1",
    ],
)
def test_what_could_take_too_long_is_refused(source: str) -> None:
    assert "could take more than 250 ms" in said(source)


def test_macros_nest_so_deep_and_no_deeper() -> None:
    source = "true"
    for level in range(MACRO_DEPTH):
        source = f"[1].all(x{level}, {source})"
    compiled(source)
    assert f"nests macros more than {MACRO_DEPTH} deep" in said(f"[1].all(x, {source})")
