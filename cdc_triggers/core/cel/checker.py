"""Can this condition ever work? Names, functions and types, before the first event.

Types are those that CEL says, of columns those of the table, where that is known. A value that is
null is not foreseen here: a column may be null unless somebody forbids it.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, assert_never

from cdc_triggers.core.cel.functions import (
    ADDED,
    FUNCTIONS,
    NUMBERS,
    ORDERED,
    TYPE_NAMES,
    Function,
    Type,
)
from cdc_triggers.core.cel.nodes import (
    Binary,
    Call,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Select,
    Ternary,
    Unary,
    below,
)
from cdc_triggers.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.core.cel.nodes import Node
    from cdc_triggers.core.problems import Place

VARIABLES: dict[str, Type] = {
    "old": Type.MAP,
    "new": Type.MAP,
    "op": Type.STRING,
    "session": Type.MAP,
}
ROWS = frozenset({"old", "new"})

_ITERABLE = frozenset({Type.LIST, Type.MAP})
_TIME_SUMS = {
    (Type.TIMESTAMP, "+", Type.DURATION): Type.TIMESTAMP,
    (Type.DURATION, "+", Type.TIMESTAMP): Type.TIMESTAMP,
    (Type.DURATION, "+", Type.DURATION): Type.DURATION,
    (Type.TIMESTAMP, "-", Type.DURATION): Type.TIMESTAMP,
    (Type.TIMESTAMP, "-", Type.TIMESTAMP): Type.DURATION,
    (Type.DURATION, "-", Type.DURATION): Type.DURATION,
}


def check(root: Node, columns: Mapping[str, Type] | None = None) -> tuple[Problem, ...]:
    """Say everything that keeps a condition from working.

    Args:
        root: the condition.
        columns: what the table's columns are in CEL; None: not known yet.
    """
    checker = _Checker(columns or {})
    checker.wants(root, Type.BOOL, "a condition")
    return tuple(sorted(dict.fromkeys(checker.problems)))


def column_of(node: Node) -> tuple[str, str] | None:
    """`new.x` and `new["x"]` as ("new", "x"); None: it is not a column of an image."""
    match node:
        case Select(of=Name(name=name), field=field) if name in ROWS:
            return name, field
        case Index(of=Name(name=name), key=Literal(kind="string", value=str(field))) if (
            name in ROWS
        ):
            return name, field
        case _:
            return None


class _Checker:
    def __init__(self, columns: Mapping[str, Type]) -> None:
        self.problems: list[Problem] = []
        self._columns = columns
        self._bound: list[str] = []

    def _say(self, place: Place, text: str) -> Type:
        self.problems.append(Problem(place, text))
        return Type.DYN

    def wants(self, node: Node, wanted: Type, who: str) -> None:
        """Check a part that must be of one type."""
        found = self._type(node)
        if found not in {wanted, Type.DYN}:
            self._say(node.place, f"{who} takes {wanted}, and this is {found}")

    def _type(self, node: Node) -> Type:  # noqa: C901, PLR0911 - one arm for each kind of node
        match node:
            case Literal():
                return Type(node.kind)
            case Name():
                return self._name(node)
            case Select() | Index():
                return self._part(node)
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Ternary():
                self.wants(node.test, Type.BOOL, "`?`")
                yes, no = self._type(node.yes), self._type(node.no)
                return yes if yes is no else Type.DYN
            case ListOf() | MapOf():
                for part in below(node):
                    self._type(part)
                return Type.LIST if isinstance(node, ListOf) else Type.MAP
            case Call():
                return self._call(node)
            case Macro():
                return self._macro(node)
            case _:
                assert_never(node)

    def _name(self, node: Name) -> Type:
        if node.name in self._bound:
            return Type.DYN
        if node.name in VARIABLES:
            return VARIABLES[node.name]
        if node.name in TYPE_NAMES:
            return Type.TYPE
        if node.name in self._columns:
            hint = f"did you mean new.{node.name}, or old.{node.name}?"
        elif near := get_close_matches(node.name, [*VARIABLES, *self._bound], n=1):
            hint = f"did you mean {near[0]}?"
        else:
            hint = "there are old, new, op and session; text stands in quotes"
        return self._say(node.place, f"unknown name {node.name}: {hint}")

    def _part(self, node: Select | Index) -> Type:
        of = self._type(node.of)
        key = Type.STRING if isinstance(node, Select) else self._type(node.key)
        takes = {Type.MAP, Type.DYN} if isinstance(node, Select) else {*_ITERABLE, Type.DYN}
        if of not in takes:
            what = f"field {node.field}" if isinstance(node, Select) else "elements"
            return self._say(node.place, f"{of} has no {what}")
        if of is Type.LIST and key not in {Type.INT, Type.UINT, Type.DYN}:
            return self._say(node.place, f"an element of a list has a number, not {key}")
        if isinstance(node, Select) and node.test:
            return Type.BOOL
        column = column_of(node)
        if column is not None:
            return self._columns.get(column[1], Type.DYN)
        session = isinstance(node.of, Name) and node.of.name == "session"
        return Type.STRING if session and "session" not in self._bound else Type.DYN

    def _unary(self, node: Unary) -> Type:
        if node.operator == "!":
            self.wants(node.of, Type.BOOL, "`!`")
            return Type.BOOL
        found = self._type(node.of)
        if found not in {Type.INT, Type.DOUBLE, Type.DYN}:
            return self._say(node.place, f"`-` takes int or double, not {found}")
        return found

    # -- operators ------------------------------------------------------------------------------

    def _binary(self, node: Binary) -> Type:
        if node.operator in {"&&", "||"}:
            self.wants(node.left, Type.BOOL, f"`{node.operator}`")
            self.wants(node.right, Type.BOOL, f"`{node.operator}`")
            return Type.BOOL
        left, right = self._type(node.left), self._type(node.right)
        if node.operator == "in":
            return self._contained(node, left, right)
        if node.operator in {"==", "!="}:
            return self._equal(node, left, right)
        if node.operator in {"<", "<=", ">", ">="}:
            return self._ordered(node, left, right)
        return self._sum(node, left, right)

    def _contained(self, node: Binary, left: Type, right: Type) -> Type:
        if right not in {*_ITERABLE, Type.DYN}:
            more = ': write new.name.contains("x")' if right is Type.STRING else ""
            self._say(node.place, f"`in` looks into a list or a map, not {right}{more}")
        elif isinstance(node.right, ListOf) and left not in {Type.NULL, Type.DYN}:
            for item in node.right.items:
                found = Type(item.kind) if isinstance(item, Literal) else Type.DYN
                if not _comparable(left, found):
                    self._say(item.place, f"{left} never equals {found}{_convert(left, found)}")
        return Type.BOOL

    def _equal(self, node: Binary, left: Type, right: Type) -> Type:
        if not _comparable(left, right):
            text = f"{left} never equals {right}{_convert(left, right)}"
            self._say(node.place, text)
        return Type.BOOL

    def _ordered(self, node: Binary, left: Type, right: Type) -> Type:
        wrong = [each for each in (left, right) if each not in ORDERED and each is not Type.DYN]
        if wrong:
            self._say(node.place, f"`{node.operator}` cannot compare {wrong[0]}")
        elif not _comparable(left, right):
            text = f"`{node.operator}` cannot compare {left} and {right}{_convert(left, right)}"
            self._say(node.place, text)
        return Type.BOOL

    def _sum(self, node: Binary, left: Type, right: Type) -> Type:
        times = _TIME_SUMS.get((left, node.operator, right))
        if times is not None:
            return times
        if Type.DYN in {left, right}:
            return Type.DYN
        takes = {"+": ADDED, "%": NUMBERS - {Type.DOUBLE}}.get(node.operator, NUMBERS)
        if left is right and left in takes:
            return left
        text = f"`{node.operator}` takes two values of one type, not {left} and {right}"
        if left is right:
            text = f"`{node.operator}` means nothing for {left}"
        return self._say(node.place, text + _convert(left, right))

    # -- calls ----------------------------------------------------------------------------------

    def _call(self, node: Call) -> Type:
        args = node.args if node.target is None else (node.target, *node.args)
        found = [self._type(arg) for arg in args]
        function = FUNCTIONS.get(node.function)
        if function is None:
            near = get_close_matches(node.function, [*FUNCTIONS, "has"], n=1)
            hint = f"did you mean {near[0]}()?" if near else f"there are {', '.join(FUNCTIONS)}"
            return self._say(node.place, f"unknown function {node.function}(): {hint}")
        allowed = function.free if node.target is None else function.method
        if not allowed or len(args) != len(function.takes):
            text = f"{node.function}() is written so: {function.example}"
            self._say(node.place, text)
            return function.gives
        self._arguments(node, function, found)
        return function.gives

    def _arguments(self, node: Call, function: Function, found: Sequence[Type]) -> None:
        for takes, each in zip(function.takes, found, strict=True):
            if each not in takes and each is not Type.DYN:
                text = f"{node.function}() takes {', or '.join(sorted(takes))}, not {each}"
                self._say(node.place, text)
        if node.function == "matches" and not isinstance(node.args[-1], Literal):
            self._say(node.place, 'matches() takes a pattern in quotes: new.name.matches("^a.*z$")')

    def _macro(self, node: Macro) -> Type:
        found = self._type(node.of)
        if found not in {*_ITERABLE, Type.DYN}:
            self._say(node.place, f"{node.kind}() goes through a list or a map, not {found}")
        if node.variable in {*VARIABLES, *TYPE_NAMES, *self._bound}:
            self._say(node.place, f"the name {node.variable} is taken: choose another one")
        self._bound.append(node.variable)
        if node.where is not None:
            self.wants(node.where, Type.BOOL, f"{node.kind}()")
        if node.kind == "map":
            self._type(node.body)
        else:
            self.wants(node.body, Type.BOOL, f"{node.kind}()")
        self._bound.pop()
        return Type.LIST if node.kind in {"map", "filter"} else Type.BOOL


def _comparable(left: Type, right: Type) -> bool:
    return (
        left is right
        or Type.DYN in {left, right}
        or Type.NULL in {left, right}
        or {left, right} <= NUMBERS
    )


def _convert(left: Type, right: Type) -> str:
    """What to write so that two values of different types go together."""
    kinds = {left, right}
    if kinds == {Type.INT, Type.DOUBLE}:
        return ": write 1.0 for 1, or double(...) around the int"
    if Type.STRING in kinds and kinds & {Type.TIMESTAMP, Type.DURATION}:
        function = "timestamp" if Type.TIMESTAMP in kinds else "duration"
        return f": write {function}(...) around the text"
    if Type.STRING in kinds and kinds & NUMBERS:
        return ": write the text as a number, or string(...) around the number"
    return ""
