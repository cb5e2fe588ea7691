"""A condition as a tree, and how to walk it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.core.problems import Place


class Literal(NamedTuple):
    """A value as written; `kind` tells 1 from 1u and 1.0."""

    place: Place
    kind: str
    value: bool | int | float | str | bytes | None


class Name(NamedTuple):
    """A variable, or one that a macro binds, or a type."""

    place: Place
    name: str


class Select(NamedTuple):
    """`of.field`; with `test`, `has(of.field)`."""

    place: Place
    of: Node
    field: str
    test: bool


class Index(NamedTuple):
    """`of[key]`."""

    place: Place
    of: Node
    key: Node


class Unary(NamedTuple):
    """`!of` or `-of`."""

    place: Place
    operator: str
    of: Node


class Binary(NamedTuple):
    """Two operands; the place is the operator's."""

    place: Place
    operator: str
    left: Node
    right: Node


class Ternary(NamedTuple):
    """`test ? yes : no`."""

    place: Place
    test: Node
    yes: Node
    no: Node


class ListOf(NamedTuple):
    """`[a, b]`."""

    place: Place
    items: tuple[Node, ...]


class MapOf(NamedTuple):
    """`{a: b}`."""

    place: Place
    entries: tuple[tuple[Node, Node], ...]


class Call(NamedTuple):
    """`function(args)`, or `target.function(args)`."""

    place: Place
    function: str
    target: Node | None
    args: tuple[Node, ...]


class Macro(NamedTuple):
    """`of.kind(variable, body)`; `where` is the middle part of a `map` that has one."""

    place: Place
    kind: str
    of: Node
    variable: str
    where: Node | None
    body: Node


Node = Literal | Name | Select | Index | Unary | Binary | Ternary | ListOf | MapOf | Call | Macro


def below(node: Node) -> Iterator[Node]:
    """The parts of a node, in the order written."""
    match node:
        case Select(of=of) | Unary(of=of):
            yield of
        case Index():
            yield from (node.of, node.key)
        case Binary():
            yield from (node.left, node.right)
        case Ternary():
            yield from (node.test, node.yes, node.no)
        case ListOf():
            yield from node.items
        case MapOf():
            for pair in node.entries:
                yield from pair
        case Call():
            yield from node.args if node.target is None else (node.target, *node.args)
        case Macro():
            yield node.of
            yield from (node.body,) if node.where is None else (node.where, node.body)
        case _:
            pass


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth. A loop: an expression may be a long chain."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(part, depth + 1) for part in below(node)]
