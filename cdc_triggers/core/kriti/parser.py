"""What does a template say? Its text as a tree, or everything that is wrong with it.

After a mistake inside an object or an array it goes on with the next element, so that one run tells
of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.kriti import nodes
from cdc_triggers.core.kriti.lexer import Lexer
from cdc_triggers.core.kriti.limits import DEPTH, SOURCE_CHARACTERS, START
from cdc_triggers.core.kriti.problems import InvalidTemplateError
from cdc_triggers.core.kriti.values import Number
from cdc_triggers.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cdc_triggers.core.kriti.lexer import Token
    from cdc_triggers.core.kriti.nodes import Node
    from cdc_triggers.core.problems import Place

_OR, _AND, _NOT, _COMPARISON, _DEFAULT = range(1, 6)

_OPERATORS = {
    "||": _OR,
    "&&": _AND,
    "==": _COMPARISON,
    "!=": _COMPARISON,
    "<": _COMPARISON,
    ">": _COMPARISON,
    "<=": _COMPARISON,
    ">=": _COMPARISON,
    "in": _COMPARISON,
    "??": _DEFAULT,
}
"""How tightly each binds: comparisons more than `not`, that more than `&&`, and so on."""

_WORDS = frozenset({"if", "elif", "else", "end", "range", "in", "not"})
_LITERALS = {"true": True, "false": False, "null": None}


class _FatalError(InvalidTemplateError):
    """Nothing that follows can be trusted."""


def parse(
    source: str, functions: Collection[str], *, free: bool
) -> tuple[Node | None, list[Problem]]:
    """Read a template: what it says, and what is wrong with it.

    With problems the tree lacks what they concern; None: nothing could be made of it.

    Args:
        source: the template.
        functions: names that take what follows as their argument, parentheses or not.
        free: True: text without quotes around it (a URL, a header); False: JSON.
    """
    if len(source) > SOURCE_CHARACTERS:
        return None, [Problem(START, f"is longer than {SOURCE_CHARACTERS} characters")]
    parser = _Parser(source, functions)
    try:
        node = parser.text(free=True) if free else parser.whole()
    except InvalidTemplateError as error:
        return None, [*parser.problems, *error.problems]
    return node, parser.problems


class _Parser:
    def __init__(self, source: str, functions: Collection[str]) -> None:
        self.problems: list[Problem] = []
        self._lexer = Lexer(source)
        self._functions = functions
        self._bound: list[str] = []
        self._depth = 0

    def whole(self) -> Node:
        """An expression and nothing behind it."""
        if self._lexer.peek().kind == "end":
            raise self._lexer.error(0, "is empty: write JSON, or remove it")
        node = self._expression()
        token = self._lexer.peek()
        if token.kind != "end":
            raise self._unexpected(token, "the end")
        return node

    def text(self, *, free: bool, start: int = 0) -> Node:
        """Text with expressions in it, up to the closing quote or, if `free`, to the end."""
        lexer = self._lexer
        parts: list[str | Node] = []
        while True:
            if chunk := lexer.chunk(quoted=not free):
                parts.append(chunk)
            if lexer.source.startswith("{{", lexer.at):
                parts.append(self._block())
            elif lexer.at >= len(lexer.source):
                if free:
                    break
                raise self._fatal(start, 'this text never ends: write " behind it')
            elif not free and lexer.source[lexer.at] == '"':
                lexer.go(lexer.at + 1)
                break
            else:
                raise self._fatal(lexer.at, "a backslash at the end: write \\\\")
        if all(isinstance(part, str) for part in parts):
            return nodes.Literal(lexer.place(start), "".join(map(str, parts)))
        return nodes.Text(lexer.place(start), tuple(parts))

    # -- expressions ----------------------------------------------------------------------------

    def _expression(self) -> Node:
        self._descend()
        node = self._binary(_OR)
        token = self._lexer.peek()
        if token.text == "?" and token.kind == "symbol":
            self._lexer.take()
            chosen = self._expression()
            self._symbol(":", "the other value of `condition ? value : value`")
            node = nodes.Conditional(self._place(token), ((node, chosen),), self._expression())
        self._depth -= 1
        return node

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise self._fatal(self._lexer.at, f"is nested deeper than {DEPTH} levels")

    def _binary(self, least: int) -> Node:
        lexer = self._lexer
        token = lexer.peek()
        if token.kind == "name" and token.text == "not":
            lexer.take()
            self._descend()
            left: Node = nodes.Call(self._place(token), "not", self._binary(_COMPARISON))
            self._depth -= 1
        else:
            left = self._postfix()
        while True:
            token = lexer.peek()
            level = _OPERATORS.get(token.text, 0) if token.kind != "end" else 0
            if not level or level < least:
                return left
            lexer.take()
            right = self._binary(level + 1)
            left = nodes.Binary(self._place(token), token.text, left, right)
            after = lexer.peek()
            if level == _COMPARISON and _OPERATORS.get(after.text) == _COMPARISON:
                raise lexer.error(
                    after.start, "comparisons cannot be chained: put parentheses around one"
                )

    def _postfix(self) -> Node:
        lexer = self._lexer
        node = self._atom()
        while True:
            token = lexer.peek()
            if token.kind != "symbol":
                break
            if token.text in {".", "["}:
                place, key = self._key()
                node = nodes.Lookup(place, node, key)
            elif token.text == "?" and (lexer.follows(token, ".") or lexer.follows(token, "[")):
                lexer.take()
                keys = []
                while lexer.peek().kind == "symbol" and lexer.peek().text in {".", "["}:
                    keys.append(self._key()[1])
                node = nodes.Optional(self._place(token), node, tuple(keys))
            else:
                break
        return node

    def _key(self) -> tuple[Place, Node]:
        """`.name`, `['name']` or `[expression]`, and where it begins."""
        lexer = self._lexer
        opening = lexer.take()
        place = self._place(opening)
        if opening.text == ".":
            name = lexer.take()
            if name.kind != "name":
                raise self._unexpected(name, "the name of a key behind the dot")
            return place, nodes.Literal(self._place(name), name.text)
        token = lexer.peek()
        if token.text == "'" and token.kind == "symbol":
            lexer.take()
            text = lexer.key()
            if text is None:
                raise self._fatal(token.start, "this key never ends: write ' behind it")
            key: Node = nodes.Literal(self._place(token), text)
        else:
            key = self._expression()
        self._symbol("]", "the end of the key")
        return place, key

    # -- atoms ----------------------------------------------------------------------------------

    def _atom(self) -> Node:
        lexer = self._lexer
        token = lexer.peek()
        if token.kind == "number":
            lexer.take()
            return nodes.Literal(self._place(token), Number(token.text))
        if token.kind == "name":
            return self._name()
        if token.kind == "end":
            raise self._unexpected(token, "a value")
        if token.text == "{" and lexer.follows(token, "{"):
            return self._block()
        if token.text in {"{", "[", "(", '"'}:
            lexer.take()
            return self._bracketed(token)
        if token.text == "'":
            raise lexer.error(token.start, "text stands in double quotes")
        raise self._unexpected(token, "a value")

    def _bracketed(self, token: Token) -> Node:
        place = self._place(token)
        if token.text == '"':
            return self.text(free=False, start=token.start)
        if token.text == "[":
            elements: list[Node] = []
            self._list("]", lambda: elements.append(self._expression()))
            return nodes.Array(place, tuple(elements))
        if token.text == "{":
            fields: dict[str, Node] = {}
            self._list("}", lambda: self._field(fields))
            return nodes.Object(place, tuple(fields.items()))
        node = self._expression()
        self._symbol(")", "the closing parenthesis")
        return node

    def _name(self) -> Node:
        lexer = self._lexer
        token = lexer.take()
        place, name = self._place(token), token.text
        if name in _LITERALS:
            return nodes.Literal(place, _LITERALS[name])
        if name in _WORDS:
            raise self._unexpected(token, "a value")
        if name not in self._bound:
            if lexer.peek().text == "(":
                lexer.take()
                argument = self._expression()
                many = f"the end of {name}(...); for several values write {name}([a, b])"
                self._symbol(")", many)
                return nodes.Call(place, name, argument)
            if name in self._functions:
                self._descend()
                argument = self._postfix()
                self._depth -= 1
                return nodes.Call(place, name, argument)
        return nodes.Variable(place, name)

    def _field(self, fields: dict[str, Node]) -> None:
        lexer = self._lexer
        token = lexer.take()
        if token.text != '"':
            raise self._unexpected(token, "a key in double quotes")
        key = self.text(free=False, start=token.start)
        if not isinstance(key, nodes.Literal) or not isinstance(key.value, str):
            raise lexer.error(
                token.start, "a key holds no expression: write {{ fromPairs([[key, value]]) }}"
            )
        if key.value in fields:
            raise lexer.error(token.start, f"the key {key.value!r} stands here a second time")
        self._symbol(":", "the value of the key")
        fields[key.value] = self._expression()

    def _list(self, closing: str, element: Callable[[], None]) -> None:
        """Elements up to the closing bracket; what is wrong with one does not hide the others."""
        lexer = self._lexer
        if lexer.peek().text == closing:
            lexer.take()
            return
        while True:
            start, depth, bound = lexer.peek().start, self._depth, len(self._bound)
            try:
                element()
                if lexer.peek().text not in {",", closing}:
                    raise self._unexpected(lexer.peek(), f"`,` or `{closing}`")
            except _FatalError:
                raise
            except InvalidTemplateError as error:
                self._depth = depth
                del self._bound[bound:]
                if not lexer.skip_element(start):
                    raise
                self.problems += error.problems
            token = lexer.take()
            if token.text == closing:
                return
            if token.text != ",":
                raise self._unexpected(token, f"`,` or `{closing}`")

    # -- blocks ---------------------------------------------------------------------------------

    def _block(self) -> Node:
        """`{{ expression }}`, or all of an `if` or a `range`."""
        lexer = self._lexer
        opening = lexer.take()
        lexer.take()
        token = lexer.peek()
        if token.kind == "name" and token.text == "if":
            return self._if(opening)
        if token.kind == "name" and token.text == "range":
            return self._range(opening)
        node = self._expression()
        self._close("the end of the expression")
        return node

    def _if(self, opening: Token) -> Node:
        lexer = self._lexer
        branches: list[tuple[Node, Node]] = []
        word = lexer.take()
        while word.text in {"if", "elif"}:
            condition = self._expression()
            self._close(f"the end of the {word.text}")
            branches.append((condition, self._expression()))
            word = self._word(opening, "elif", "else", "end")
        if word.text == "end":
            raise lexer.error(
                opening.start, "this if has no else: write {{ else }} null before {{ end }}"
            )
        self._close("the end of the else")
        otherwise = self._expression()
        self._word(opening, "end")
        self._close("the end of the if")
        return nodes.Conditional(self._place(opening), tuple(branches), otherwise)

    def _range(self, opening: Token) -> Node:
        lexer = self._lexer
        lexer.take()
        index = self._binder()
        self._symbol(",", "the second name of `range index, name := array`")
        name = self._binder()
        if name == "_":
            raise lexer.error(opening.start, "this range gives its elements no name: write x")
        self._symbol(":=", "`:=` and the array")
        source = self._expression()
        self._close("the end of the range")
        names = [name] if index == "_" else [index, name]
        self._bound += names
        body = self._expression()
        del self._bound[-len(names) :]
        self._word(opening, "end")
        self._close("the end of the range")
        return nodes.Range(
            self._place(opening), None if index == "_" else index, name, source, body
        )

    def _binder(self) -> str:
        token = self._lexer.take()
        if token.kind != "name" or token.text in _WORDS or token.text in _LITERALS:
            raise self._unexpected(token, "a name: `range index, name := array`")
        return token.text

    def _word(self, opening: Token, *words: str) -> Token:
        """The word of the next `{{ word`, which must be one of these."""
        lexer = self._lexer
        first = lexer.peek()
        if first.kind == "end":
            raise self._fatal(opening.start, "this block never ends: write {{ end }} behind it")
        if not (first.text == "{" and lexer.follows(first, "{")):
            raise self._unexpected(first, "{{ " + " }} or {{ ".join(words) + " }}")
        lexer.take()
        lexer.take()
        word = lexer.take()
        if word.kind != "name" or word.text not in words:
            raise self._unexpected(word, " or ".join(words))
        return word

    # -- words ----------------------------------------------------------------------------------

    def _symbol(self, text: str, what: str) -> None:
        token = self._lexer.take()
        if token.text != text:
            raise self._unexpected(token, what if what.startswith("`") else f"`{text}`, {what}")

    def _close(self, what: str) -> None:
        token = self._lexer.take()
        if token.text != "}" or not self._lexer.source.startswith("}", token.stop):
            raise self._unexpected(token, "`}}`, " + what)
        self._lexer.take()

    def _place(self, token: Token) -> Place:
        return self._lexer.place(token.start)

    def _unexpected(self, token: Token, wanted: str) -> InvalidTemplateError:
        found = f"`{token.text}`" if token.text else "the end of the template"
        return self._lexer.error(token.start, f"unexpected {found}: here belongs {wanted}")

    def _fatal(self, at: int, text: str) -> InvalidTemplateError:
        return _FatalError(self._lexer.error(at, text).problems)
