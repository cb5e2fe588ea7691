"""A tree as CEL again. The evaluator gets this text: what was checked is what runs."""

from __future__ import annotations

import json
from typing import assert_never

from cdc_triggers.core.cel.nodes import (
    Binary,
    Call,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Node,
    Select,
    Ternary,
    Unary,
)
from cdc_triggers.core.cel.parser import LEVELS

_TERNARY = 0
_LEVEL = {operator: 1 + level for level, each in enumerate(LEVELS) for operator in each}
_UNARY = 1 + len(LEVELS)
_MEMBER = 2 + len(LEVELS)


def write(node: Node) -> str:  # noqa: C901, PLR0911 - one arm for each kind of node
    """The text of a tree, with no more brackets than it needs."""
    match node:
        case Literal():
            return _literal(node)
        case Name():
            return node.name
        case Select():
            text = f"{_within(node.of, _MEMBER)}.{node.field}"
            return f"has({text})" if node.test else text
        case Index():
            return f"{_within(node.of, _MEMBER)}[{write(node.key)}]"
        case Unary():
            return f"{node.operator}{_within(node.of, _MEMBER)}"
        case Binary():
            level = _LEVEL[node.operator]
            left, right = _within(node.left, level), _within(node.right, level + 1)
            return f"{left} {node.operator} {right}"
        case Ternary():
            test, yes = _within(node.test, 1), _within(node.yes, 1)
            return f"{test} ? {yes} : {write(node.no)}"
        case ListOf():
            return f"[{_all(node.items)}]"
        case MapOf():
            return f"{{{', '.join(f'{write(k)}: {write(v)}' for k, v in node.entries)}}}"
        case Call():
            target = "" if node.target is None else f"{_within(node.target, _MEMBER)}."
            return f"{target}{node.function}({_all(node.args)})"
        case Macro():
            parts = (node.body,) if node.where is None else (node.where, node.body)
            of = _within(node.of, _MEMBER)
            return f"{of}.{node.kind}({node.variable}, {_all(parts)})"
        case _:
            assert_never(node)


def _all(nodes: tuple[Node, ...]) -> str:
    return ", ".join(map(write, nodes))


def _within(node: Node, level: int) -> str:
    return write(node) if _level(node) >= level else f"({write(node)})"


def _level(node: Node) -> int:
    match node:
        case Ternary():
            return _TERNARY
        case Binary():
            return _LEVEL[node.operator]
        case Unary():
            return _UNARY
        case Literal(value=int() | float()) if write(node).startswith("-"):
            return _UNARY
        case _:
            return _MEMBER


def _literal(node: Literal) -> str:
    match node.value:
        case str(text):
            return f'"{"".join(map(_character, text))}"'
        case bytes(data):
            return f'b"{"".join(map(_octet, data))}"'
        case float(number):
            return repr(number)
        case value:
            return json.dumps(value) + ("u" if node.kind == "uint" else "")


def _character(character: str) -> str:
    plain = character.isprintable() and character not in {'"', "\\"}
    return character if plain else f"\\U{ord(character):08x}"


def _octet(byte: int) -> str:
    return f"\\x{byte:02x}"
