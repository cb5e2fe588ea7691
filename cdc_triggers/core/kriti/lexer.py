"""Where does the next word of a template begin and end? Text in quotes is cut here too."""

from __future__ import annotations

import re
from typing import NamedTuple

from cdc_triggers.core.kriti.problems import InvalidTemplateError
from cdc_triggers.core.problems import Place, Problem

_BLANK = re.compile(r"(?:[ \t\r\n\f\v]++|\#[^\n]*+)*+")
_TOKEN = re.compile(
    r"""
      (?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)
    | (?P<name>\$?[^\W\d][\w$-]*+|\$)
    | (?P<symbol>\?\?|==|!=|<=|>=|&&|\|\||:=|[{}\[\]().,:?<>"'])
    """,
    re.VERBOSE,
)
_CHUNK = re.compile(r"(?:[^\"\\{]++|\\.|\{(?!\{))++", re.DOTALL)
_FREE_CHUNK = re.compile(r"(?:[^\\{]++|\\.|\{(?!\{))++", re.DOTALL)
_KEY = re.compile(r"((?:[^'\\]++|\\.)*+)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {
    '"': '"',
    "'": "'",
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_OPENING, _CLOSING = frozenset("{[("), frozenset("}])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Token(NamedTuple):
    """One word. `kind` is number, name, symbol or end."""

    kind: str
    text: str
    start: int

    @property
    def stop(self) -> int:
        """Where what follows begins."""
        return self.start + len(self.text)


class Lexer:
    """Cuts a template, as far as the parser asks for. `at` is where it stands."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self._next: Token | None = None

    def peek(self) -> Token:
        """The next word, left where it is.

        Raises:
            InvalidTemplateError: no word begins like this.
        """
        if self._next is None:
            blank = _BLANK.match(self.source, self.at)
            start = blank.end() if blank else self.at
            self._next = self._cut(start)
        return self._next

    def take(self) -> Token:
        """The next word; the lexer stands behind it then."""
        token = self.peek()
        self.go(token.stop)
        return token

    def go(self, at: int) -> None:
        """Stand at `at`, wherever the lexer was."""
        self.at, self._next = at, None

    def follows(self, token: Token, text: str) -> bool:
        """True if `text` stands right behind the word, without white space."""
        return self.source.startswith(text, token.stop)

    def chunk(self, *, quoted: bool) -> str:
        """Text as it is, up to `{{`, and if it is `quoted` up to the quote; escapes are resolved.

        Raises:
            InvalidTemplateError: there is no such escape.
        """
        found = (_CHUNK if quoted else _FREE_CHUNK).match(self.source, self.at)
        if found is None:
            return ""
        text = self._unescaped(found[0], self.at)
        self.go(found.end())
        return text

    def key(self) -> str | None:
        """What stands in single quotes, the first of which was taken; None: they never end."""
        found = _KEY.match(self.source, self.at)
        if found is None:
            return None
        text = self._unescaped(found[1], self.at)
        self.go(found.end())
        return text

    def skip_element(self, start: int) -> bool:
        """Go behind the element of a list that begins there; False: it is not clear where it ends.

        For going on after a mistake in it.
        """
        self.go(start)
        depth = 0
        while True:
            try:
                token = self.peek()
                if token.text == '"':
                    self.take()
                    self.chunk(quoted=True)
            except InvalidTemplateError:
                return False
            if token.kind == "end" or (token.text == '"' and not self._at_quote()):
                return False  # text with an expression in it: its end may be what is wrong
            if depth == 0 and token.text in {",", "]", "}"}:
                return True
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
            self.go(self.at + 1 if token.text == '"' else token.stop)

    def _at_quote(self) -> bool:
        return self.source.startswith('"', self.at)

    def place(self, at: int) -> Place:
        """Line and column of an offset."""
        before = self.source.rfind("\n", 0, at)
        return Place(self.source.count("\n", 0, at) + 1, at - before)

    def error(self, at: int, text: str) -> InvalidTemplateError:
        """Say what is wrong there."""
        return InvalidTemplateError((Problem(self.place(at), text),))

    def _cut(self, start: int) -> Token:
        if start >= len(self.source):
            return Token("end", "", start)
        found = _TOKEN.match(self.source, start)
        if found is None:
            character = self.source[start]
            raise self.error(start, f"unexpected {character!r}: {_remedy(character)}")
        return Token(found.lastgroup or "", found[0], start)

    def _unescaped(self, text: str, start: int) -> str:
        if "\\" not in text:
            return text

        def resolve(found: re.Match[str]) -> str:
            if found[1] is not None:
                return chr(int(found[1], 16))
            if found[2] not in _ESCAPES:
                raise self.error(
                    start + found.start(),
                    f"\\{found[2]} is no escape of JSON: write \\\\ for a backslash",
                )
            return _ESCAPES[found[2]]

        resolved = _ESCAPE.sub(resolve, text)
        if not _SURROGATE.search(resolved):
            return resolved
        # two escapes may be the halves of one character
        return resolved.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _remedy(character: str) -> str:
    if character == "&":
        return "write && for and"
    if character == "|":
        return "write || for or"
    if character == "!":
        return "write not, or !="
    if character == "=":
        return "write == to compare, or := in a range"
    if character in "+-*/%":
        return "there is no arithmetic in Kriti"
    return "text stands in double quotes"
