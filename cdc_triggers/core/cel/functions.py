"""Which functions may a condition call, on what, and what do they give?

What the evaluator has of CEL's standard functions. Anything else is refused when it is read: at run
time an unknown function would be an error for every event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Type(StrEnum):
    """What a value is, as far as it is known; `dyn` is known only when it is there."""

    INT = "int"
    UINT = "uint"
    DOUBLE = "double"
    BOOL = "bool"
    STRING = "string"
    BYTES = "bytes"
    LIST = "list"
    MAP = "map"
    NULL = "null"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    TYPE = "type"
    DYN = "dyn"


NUMBERS = frozenset({Type.INT, Type.UINT, Type.DOUBLE})
TIMES = frozenset({Type.TIMESTAMP, Type.DURATION})
ANY = frozenset(Type)
ORDERED = NUMBERS | TIMES | {Type.BOOL, Type.STRING, Type.BYTES}
ADDED = NUMBERS | {Type.STRING, Type.BYTES, Type.LIST}

_TEXT = frozenset({Type.STRING})


class Function(NamedTuple):
    """One function.

    Attributes:
        method: called on its first argument, as in text.contains("x").
        free: called by itself, as in size(text).
        takes: the types of each argument, the one that it is called on first.
        example: how it is written.
    """

    method: bool
    free: bool
    takes: tuple[frozenset[Type], ...]
    gives: Type
    example: str


def _converts(takes: frozenset[Type], gives: Type, example: str) -> Function:
    return Function(method=False, free=True, takes=(takes,), gives=gives, example=example)


def _searches(name: str) -> Function:
    example = f'new.name.{name}("x")'
    return Function(method=True, free=False, takes=(_TEXT, _TEXT), gives=Type.BOOL, example=example)


def _reads(name: str, takes: frozenset[Type] = frozenset({Type.TIMESTAMP})) -> Function:
    example = f"timestamp(new.created_at).{name}()"
    return Function(method=True, free=False, takes=(takes,), gives=Type.INT, example=example)


FUNCTIONS: dict[str, Function] = {
    "size": Function(
        method=True,
        free=True,
        takes=(frozenset({Type.STRING, Type.BYTES, Type.LIST, Type.MAP}),),
        gives=Type.INT,
        example="size(new.tags)",
    ),
    "int": _converts(NUMBERS | {Type.STRING}, Type.INT, "int(new.total)"),
    "uint": _converts(NUMBERS | {Type.STRING}, Type.UINT, "uint(new.count)"),
    "double": _converts(NUMBERS | {Type.STRING}, Type.DOUBLE, "double(new.count)"),
    "string": _converts(NUMBERS | TIMES | {Type.STRING, Type.BYTES}, Type.STRING, "string(new.id)"),
    "bytes": _converts(_TEXT | {Type.BYTES}, Type.BYTES, "bytes(new.name)"),
    "dyn": _converts(ANY, Type.DYN, "dyn(new.id)"),
    "type": _converts(ANY, Type.TYPE, "type(new.data.x) == string"),
    "timestamp": _converts(_TEXT | {Type.TIMESTAMP}, Type.TIMESTAMP, "timestamp(new.created_at)"),
    "duration": _converts(_TEXT, Type.DURATION, 'duration("90m")'),
    **{name: _searches(name) for name in ("contains", "startsWith", "endsWith", "matches")},
    **{
        name: _reads(name)
        for name in (
            *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek"),
            "getDayOfYear",
        )
    },
    **{
        name: _reads(name, TIMES)
        for name in ("getHours", "getMinutes", "getSeconds", "getMilliseconds")
    },
}

TYPE_NAMES = frozenset(
    {"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type"}
)
"""Names that stand for a type, to compare with what type() gives."""
