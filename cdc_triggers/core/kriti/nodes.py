"""What a template says, after it was read: a tree of expressions, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc_triggers.core.kriti.values import Value
    from cdc_triggers.core.problems import Place


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text without expressions, true, false or null."""

    place: Place
    value: Value


@dataclass(frozen=True, slots=True)
class Text:
    """Text with expressions in it."""

    place: Place
    parts: tuple[str | Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]`."""

    place: Place
    elements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Object:
    """`{"a": b}`."""

    place: Place
    fields: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$body`, or a name that a `range` gives."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """`base.key`, `base['key']`, `base[0]`; the place is that of the key."""

    place: Place
    base: Node
    key: Node


@dataclass(frozen=True, slots=True)
class Optional:
    """`base?.a.b[0]`: null as soon as something on the way is missing."""

    place: Place
    base: Node
    keys: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`; the place is that of the operator."""

    place: Place
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional:
    """`{{ if }} {{ elif }} {{ else }} {{ end }}`, and `condition ? a : b`."""

    place: Place
    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Range:
    """`{{ range index, name := source }} body {{ end }}`; an index of None was written `_`."""

    place: Place
    index: str | None
    name: str
    source: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Call:
    """`function(argument)`."""

    place: Place
    function: str
    argument: Node


Node = (
    Literal
    | Text
    | Array
    | Object
    | Variable
    | Lookup
    | Optional
    | Binary
    | Conditional
    | Range
    | Call
)


def children(node: Node) -> list[Node]:  # noqa: PLR0911 - an arm per kind
    """What stands directly in it."""
    match node:
        case Text(_, parts):
            return [part for part in parts if not isinstance(part, str)]
        case Array(_, elements):
            return list(elements)
        case Object(_, fields):
            return [value for _, value in fields]
        case Lookup(_, base, key):
            return [base, key]
        case Optional(_, base, keys):
            return [base, *keys]
        case Binary(_, _, left, right):
            return [left, right]
        case Conditional(_, branches, otherwise):
            return [*(part for branch in branches for part in branch), otherwise]
        case Range(_, _, _, source, body):
            return [source, body]
        case Call(_, _, argument):
            return [argument]
        case _:
            return []


def weigh(node: Node) -> tuple[int, int]:
    """How many expressions it is, and how deep they are nested. A loop: it may be very deep."""
    count = deepest = 0
    waiting = [(node, 1)]
    while waiting:
        one, depth = waiting.pop()
        count += 1
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in children(one)]
    return count, deepest
