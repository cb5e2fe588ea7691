"""From a condition's text to its tree, by the precedence that CEL gives its operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.cel.lexer import INT_LIMIT, RESERVED, tokens
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
)
from cdc_triggers.core.cel.problems import FlawError

if TYPE_CHECKING:
    from cdc_triggers.core.cel.lexer import Token
    from cdc_triggers.core.cel.nodes import Node
    from cdc_triggers.core.problems import Place

DEPTH = 24
"""How deep brackets, calls and signs may nest."""

MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})

LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"<", "<=", ">", ">=", "==", "!=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Binary operators, those that bind the least first; all of them group to the left."""

_CONSTANTS = {"true": ("bool", True), "false": ("bool", False), "null": ("null", None)}
_SQL = {"and": "&&", "or": "||", "is": "==", "AND": "&&", "OR": "||", "IS": "=="}


def parse(source: str) -> Node:
    """Read a condition.

    Raises:
        FlawError: at the first thing that does not belong there.
    """
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self._tokens = tokens(source)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._token.kind == "end":
            raise FlawError(self._token.place, 'is empty: write, for example, new.status == "paid"')
        node = self._expression()
        if self._token.kind != "end":
            raise self._unexpected("an operator, or the end")
        return node

    # -- words ----------------------------------------------------------------------------------

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _is(self, sign: str) -> bool:
        return self._token.kind == "sign" and self._token.text == sign

    def _accept(self, sign: str) -> bool:
        if self._is(sign):
            self._next += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._unexpected(f"`{sign}`")

    def _unexpected(self, wanted: str) -> FlawError:
        token = self._token
        if token.kind == "end":
            return FlawError(token.place, f"ends where {wanted} is missing")
        hint = f": CEL writes `{_SQL[token.text]}`" if token.text in _SQL else ""
        return FlawError(token.place, f"`{token.text}` stands where {wanted} belongs{hint}")

    # -- operators ------------------------------------------------------------------------------

    def _expression(self) -> Node:
        self._deeper(self._token.place)
        node = self._binary(0)
        if self._is("?"):
            place = self._take().place
            yes = self._binary(0)
            self._expect(":")
            node = Ternary(place, node, yes, self._expression())
        self._depth -= 1
        return node

    def _deeper(self, place: Place) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise FlawError(place, f"is nested more than {DEPTH} deep: write it with less")

    def _binary(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while self._operator in LEVELS[level]:
            token = self._take()
            node = Binary(token.place, token.text, node, self._binary(level + 1))
        return node

    @property
    def _operator(self) -> str:
        token = self._token
        return token.text if token.kind == "sign" or token.text == "in" else ""

    def _unary(self) -> Node:
        if not (self._is("!") or self._is("-")):
            return self._member()
        token = self._take()
        if token.text == "-" and self._token.kind in {"int", "double"}:
            return self._member(negative=True)
        self._deeper(token.place)
        node = Unary(token.place, token.text, self._unary())
        self._depth -= 1
        return node

    # -- operands -------------------------------------------------------------------------------

    def _member(self, *, negative: bool = False) -> Node:
        node = self._primary(negative=negative)
        while True:
            if self._is("."):
                self._take()
                node = self._after_dot(node)
            elif self._is("["):
                place = self._take().place
                node = Index(place, node, self._expression())
                self._expect("]")
            else:
                return node

    def _after_dot(self, of: Node) -> Node:
        name = self._take()
        if name.kind != "name" or name.text in {"in", *_CONSTANTS}:
            self._next -= 1
            raise self._unexpected('the name of a field (others: ["name"])')
        if not self._accept("("):
            return Select(name.place, of, name.text, test=False)
        args = self._list(")")
        if name.text in MACROS:
            return _macro(name, of, args)
        return Call(name.place, name.text, of, args)

    def _primary(self, *, negative: bool) -> Node:
        token = self._take()
        if token.kind in {"int", "uint", "double", "string", "bytes"}:
            return self._literal(token, negative=negative)
        if token.kind == "name":
            return self._named(token)
        if token.kind == "sign" and token.text == "(":
            node = self._expression()
            self._expect(")")
            return node
        if token.kind == "sign" and token.text == "[":
            return ListOf(token.place, self._list("]"))
        if token.kind == "sign" and token.text == "{":
            return self._map(token.place)
        self._next -= 1
        raise self._unexpected("a value")

    def _literal(self, token: Token, *, negative: bool) -> Literal:
        value = token.value
        if negative and isinstance(value, int | float):
            value = -value
        if token.kind == "int" and value == INT_LIMIT:
            raise FlawError(
                token.place, "a whole number has 64 bits: write a double, such as 9.3e18"
            )
        return Literal(token.place, token.kind, value)

    def _named(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            kind, value = _CONSTANTS[token.text]
            return Literal(token.place, kind, value)
        if token.text in RESERVED or token.text == "in":
            raise FlawError(token.place, f"`{token.text}` is reserved in CEL")
        if not self._accept("("):
            if self._token.kind == "name" and self._token.text in _SQL:
                raise self._unexpected("an operator, or the end")
            return Name(token.place, token.text)
        args = self._list(")")
        if token.text == "has":
            (of,) = args if len(args) == 1 else (None,)
            if not isinstance(of, Select) or of.test:
                raise FlawError(
                    token.place, 'has() takes one field, as in has(new.notes); or "key" in map'
                )
            return of._replace(place=token.place, test=True)
        return Call(token.place, token.text, None, args)

    def _list(self, closing: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._is(closing):
            found.append(self._expression())
            if not self._accept(","):
                break
        self._expect(closing)
        return tuple(found)

    def _map(self, place: Place) -> MapOf:
        found: list[tuple[Node, Node]] = []
        while not self._is("}"):
            key = self._expression()
            self._expect(":")
            found.append((key, self._expression()))
            if not self._accept(","):
                break
        self._expect("}")
        return MapOf(place, tuple(found))


def _macro(name: Token, of: Node, args: tuple[Node, ...]) -> Macro:
    """A macro's variable, and what is done with it."""
    most = 3 if name.text == "map" else 2
    if not 2 <= len(args) <= most or not isinstance(args[0], Name):  # noqa: PLR2004 - name, body
        raise FlawError(name.place, f"{name.text}() takes a name and what to do with it: x, x > 0")
    where = args[1] if len(args) == 3 else None  # noqa: PLR2004 - the middle one
    return Macro(name.place, name.text, of, args[0].name, where, args[-1])
