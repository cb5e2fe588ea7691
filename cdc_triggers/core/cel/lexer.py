"""Where does one word of a condition end and the next begin?

Source of the grammar: https://github.com/google/cel-spec, langdef, "Syntax".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cdc_triggers.core.cel.problems import FlawError
from cdc_triggers.core.problems import Place

RESERVED = frozenset(
    {
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let"),
        *("loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
INT_LIMIT = 2**63
UINT_LIMIT = 2**64
CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)

_TOKEN = re.compile(
    r"""
    (?P<space>[\s]+|//[^\n]*)
  | (?P<string>[bB]?[rR]?(?:\"\"\"|'''|"|'))
  | (?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
  | (?P<int>0x[0-9a-fA-F]+[uU]?|[0-9]+[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))"
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Token(NamedTuple):
    """A word. `kind`: name, sign, end, or the kind of a literal."""

    kind: str
    text: str
    place: Place
    value: int | float | str | bytes | None = None


def tokens(source: str) -> list[Token]:
    """Cut a condition into words; the last one is its end.

    Raises:
        FlawError: something is no word.
    """
    found: list[Token] = []
    lines = _Lines(source)
    pos = 0
    while pos < len(source):
        place = lines.place(pos)
        match = _TOKEN.match(source, pos)
        if match is None:
            raise FlawError(place, _unknown(source[pos]))
        if match.lastgroup == "string":
            token, pos = _string(source, match, place)
            found.append(token)
            continue
        pos = match.end()
        if match.lastgroup in {"double", "int"}:
            if source[pos : pos + 1].isalnum() or source[pos : pos + 1] == "_":
                raise FlawError(place, "a number ends in letters: put a space between them")
            found.append(_number(match[0], place))
        elif match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0], place))
    return [*found, Token("end", "", lines.place(len(source)))]


class _Lines:
    """Places by position, asked for in their order."""

    def __init__(self, source: str) -> None:
        self._source, self._line, self._start, self._seen = source, 1, 0, 0

    def place(self, pos: int) -> Place:
        self._line += self._source.count("\n", self._seen, pos)
        newline = self._source.rfind("\n", self._seen, pos)
        self._start = self._start if newline < 0 else newline + 1
        self._seen = pos
        return Place(self._line, pos - self._start + 1)


def _unknown(character: str) -> str:
    if character in {"=", "&", "|"}:
        meant = character * 2
        return f"`{character}` alone means nothing: write `{meant}`"
    return f"{character!r} is no part of CEL: text stands in quotes"


def _number(text: str, place: Place) -> Token:
    if text.lower().startswith("0x") or text.rstrip("uU").isdigit():
        unsigned = text[-1] in "uU"
        digits = text.rstrip("uU")
        value = int(digits, 16 if digits.lower().startswith("0x") else 10)
        # one more than the largest: it may be the smallest, with a minus before it
        if value > (UINT_LIMIT - 1 if unsigned else INT_LIMIT):
            raise FlawError(place, "a whole number has 64 bits: write a double, such as 1e20")
        return Token("uint" if unsigned else "int", text, place, value)
    number = float(text)
    if number == float("inf"):
        raise FlawError(place, "is beyond what a double can hold, about 1.8e308")
    return Token("double", text, place, number)


def _string(source: str, opening: re.Match[str], place: Place) -> tuple[Token, int]:
    prefix = opening[0].rstrip("\"'").lower()
    quote = opening[0][len(prefix) :]
    start = opening.end()
    pos = start
    while not source.startswith(quote, pos):
        if pos >= len(source) or (len(quote) == 1 and source[pos] in "\r\n"):
            raise FlawError(place, f"text is not closed: write {quote} at its end")
        pos += 2 if source[pos] == "\\" and "r" not in prefix else 1
    raw = source[start:pos]
    end = pos + len(quote)
    value: str | bytes
    if "b" in prefix:
        value = raw.encode() if "r" in prefix else _bytes(raw, place)
        return Token("bytes", source[opening.start() : end], place, value), end
    value = raw if "r" in prefix else _text(raw, place)
    return Token("string", source[opening.start() : end], place, value), end


def _pieces(raw: str, place: Place) -> list[tuple[str, re.Match[str] | None]]:
    """Plain text, and the escape that follows it."""
    found: list[tuple[str, re.Match[str] | None]] = []
    pos = 0
    while (backslash := raw.find("\\", pos)) >= 0:
        escape = _ESCAPE.match(raw, backslash)
        if escape is None:
            raise FlawError(
                place, f"{raw[backslash : backslash + 2]} is no escape: write \\\\ for one \\"
            )
        found.append((raw[pos:backslash], escape))
        pos = escape.end()
    return [*found, (raw[pos:], None)]


def _text(raw: str, place: Place) -> str:
    return "".join(plain + _character(escape, place) for plain, escape in _pieces(raw, place))


def _character(escape: re.Match[str] | None, place: Place) -> str:
    if escape is None:
        return ""
    if escape[1]:
        return _SIMPLE.get(escape[1], escape[1])
    digits = escape[2] or escape[3] or escape[4]
    number = int(digits, 16) if digits else int(escape[5], 8)
    if number in SURROGATES or number >= CODE_POINTS:
        raise FlawError(place, f"{escape[0]} is no character of Unicode")
    return chr(number)


def _bytes(raw: str, place: Place) -> bytes:
    found = b""
    for plain, escape in _pieces(raw, place):
        found += plain.encode()
        if escape is None:
            continue
        if escape[3] or escape[4]:
            raise FlawError(place, f"{escape[0]} means nothing in bytes: write \\xHH")
        if escape[1]:
            found += _SIMPLE.get(escape[1], escape[1]).encode()
        else:
            found += bytes([int(escape[2], 16) if escape[2] else int(escape[5], 8)])
    return found
