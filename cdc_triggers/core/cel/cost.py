"""How long may a condition take, and on how much of a row? Bounds, from its text alone.

The evaluator cannot be stopped and counts nothing. So what it would do at most is reckoned before:
a polynomial in the size of what the condition reads, by the rules of each operator and function,
and from that the largest size that keeps it within `BUDGET`. Larger rows are not tried.

A unit is 100 ns. The weights are from measurements on one slow core, rounded up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    from cdc_triggers.core.cel.nodes import Node

BUDGET = 2_500_000
"""A quarter of a second, as for the templates of a request."""

LARGEST_INPUT = 8 * 1024 * 1024
CHARACTERS = 64
"""Characters of a text that count as one: comparing and searching them is fast."""

READ = 30
NODE = 4
TURN = 8
"""To read one unit of a row; one operator; a turn of a macro."""

PATTERN = 30
PATTERN_ANY_CASE = 300
SMALL_CLASS = 1_000
LARGE_CLASS = 7_000
"""A pattern is compiled each time: its characters, more with (?i); classes such as \\d; and those
such as \\w, which hold the letters of all scripts. Each as often as {n} repeats it."""

_SMALL = re.compile(r"\\[dDsSbB]|\[\^|\[\[|\.")
_LARGE = re.compile(r"\\[wWpP]")
_ANY_CASE = re.compile(r"\(\?[a-zA-Z]*i")
_REPEATS = re.compile(r"\{(\d+)?,?(\d+)?\}")

Poly = tuple[int, ...]
"""Coefficients, those of the lowest power first."""


class Bound(NamedTuple):
    """At most: what it takes, how large its value is, how many elements that has."""

    cost: Poly
    size: Poly
    elements: Poly


def largest_input(root: Node) -> int:
    """The most units of a row on which the condition surely ends in time; 0: on none."""
    cost = _add(_bound(root, {}).cost, (0, READ))
    low, high = 0, LARGEST_INPUT
    if _at(cost, 1) > BUDGET:
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if _at(cost, middle) <= BUDGET:
            low = middle
        else:
            high = middle - 1
    return low


def text_units(length: int) -> int:
    """How much a text of so many characters or bytes counts."""
    return 1 + length // CHARACTERS


def _bound(node: Node, bound: dict[str, Bound]) -> Bound:
    match node:
        case Literal(value=str() | bytes() as value):
            units = text_units(len(value))
            return Bound((NODE,), (units,), (units,))
        case Literal():
            return Bound((NODE,), (1,), (1,))
        case Name() if node.name in bound:
            return bound[node.name]
        case Name():
            return Bound((NODE,), (0, 1), (0, 1))
        case Macro():
            return _macro(node, bound)
        case _:
            return _operation(node, [_bound(part, bound) for part in below(node)])


def _operation(node: Node, parts: list[Bound]) -> Bound:
    """What goes once through all of its operands, at most; a few only look at them."""
    cost = _sum([(NODE,), *(part.cost for part in parts)])
    size = _sum([(1,), *(part.size for part in parts)])
    if _only_looks(node):
        return Bound(cost, size, size)
    cost = _sum([cost, *(part.size for part in parts)])
    match node:
        case Binary(operator=operator) if operator != "+":
            return Bound(cost, (1,), (1,))
        case ListOf() | MapOf():
            return Bound(cost, size, (len(parts),))
        case Call(function="matches"):
            weight = _weight(node.args[-1])
            searched = tuple((8 + weight // 1000) * each for each in parts[0].size)
            return Bound(_sum([cost, searched, (weight,)]), (1,), (1,))
        case _:
            return Bound(cost, size, size)


def _only_looks(node: Node) -> bool:
    match node:
        case Select() | Ternary() | Unary() | Binary(operator="&&" | "||"):
            return True
        case Index(key=Literal()) | Call(function="size" | "dyn" | "type"):
            return True
        case _:
            return False


def _macro(node: Macro, bound: dict[str, Bound]) -> Bound:
    """The body once for each element.

    What it takes grows with the element, and all elements together are no larger than what they
    are elements of. A polynomial without minus is convex, so the sum over all of them is at most
    that of nothings, plus the growth of one that is as large as all.
    """
    of = _bound(node.of, bound)
    parts = [part for part in (node.where, node.body) if part is not None]
    least = _all_of(parts, {**bound, node.variable: Bound((NODE,), (), ())})
    most = _all_of(parts, {**bound, node.variable: Bound((NODE,), of.size, of.size)})
    turns = _times(of.elements, _add(least.cost, (TURN,)))
    cost = _sum([of.cost, turns, _minus(most.cost, least.cost), (NODE,)])
    if node.kind not in {"map", "filter"}:
        return Bound(cost, (1,), (1,))
    # the list that is made is copied for each element that comes to it
    copies = _times(of.elements, of.elements)
    size = _add(_times(of.elements, _add(least.size, (1,))), _minus(most.size, least.size))
    return Bound(_add(cost, copies), of.size if node.kind == "filter" else size, of.elements)


def _all_of(nodes: list[Node], bound: dict[str, Bound]) -> Bound:
    found = [_bound(node, bound) for node in nodes]
    return Bound(_sum([each.cost for each in found]), found[-1].size, found[-1].elements)


def _weight(pattern: Node) -> int:
    """What compiling a pattern takes."""
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return 0
    repeats = 1
    for match in _REPEATS.finditer(pattern.value):
        repeats *= max(1, *(int(each) for each in match.groups("1")))
    each = PATTERN_ANY_CASE if _ANY_CASE.search(pattern.value) else PATTERN
    classes = SMALL_CLASS * len(_SMALL.findall(pattern.value))
    classes += LARGE_CLASS * len(_LARGE.findall(pattern.value))
    return repeats * (each * (1 + len(pattern.value)) + classes)


def _at(poly: Poly, value: int) -> int:
    return sum(each * value**power for power, each in enumerate(poly))


def _add(left: Poly, right: Poly) -> Poly:
    return _sum([left, right])


def _sum(polys: list[Poly]) -> Poly:
    length = max(map(len, polys), default=0)
    return tuple(sum(poly[i] for poly in polys if i < len(poly)) for i in range(length))


def _minus(most: Poly, least: Poly) -> Poly:
    return tuple(
        each - (least[power] if power < len(least) else 0) for power, each in enumerate(most)
    )


def _times(left: Poly, right: Poly) -> Poly:
    found = [0] * max(0, len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            found[i + j] += a * b
    return tuple(found)
